"""When the certificates end that this process depends on: those in files that its settings name, and those it is shown.

A certificate that ends stops everything at once, and nothing tells before. An address is asked as any client would ask,
without judging what it shows: an expired certificate has to be seen as well.
"""

import asyncio
import ssl
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import structlog
from cryptography import x509
from prometheus_client import Gauge
from pydantic import SecretStr

from libs.runtime.periodic import Periodic

EVERY = 3600.0  # seconds: warnings come weeks before, and a renewal should quiet them the same day
CONNECT_WITHIN = 10.0  # seconds to be shown a certificate
LARGEST = 1_000_000  # bytes: a bundle of all public authorities has a quarter of it
MARK = b"-----BEGIN CERTIFICATE-----"
OF_AUTHORITIES = "_ca_file"  # how the settings end that name a file of authorities
IN_MONGO_URL = {"tlscafile": "mongo_ca_file", "tlscertificatekeyfile": "mongo_certificate_key_file"}

EXPIRY = Gauge(
    "wabus_certificate_expiry_timestamp_seconds",
    "Unix time when a certificate ends, by the setting that names its file or address.",
    ["certificate"],
)

log = structlog.get_logger()


def certificate_files(settings: Mapping[str, object]) -> dict[str, Path]:
    """Return the files with certificates that settings name, also within the MongoDB URL: setting -> file."""
    named = {name: str(value) for name, value in settings.items() if isinstance(value, str | Path)}
    url = settings.get("mongo_url")
    if isinstance(url, SecretStr):
        for option, value in parse_qsl(urlsplit(url.get_secret_value()).query):
            if option.lower() in IN_MONGO_URL:
                named[IN_MONGO_URL[option.lower()]] = value
    return {name: Path(text) for name, text in named.items() if _holds_certificates(text)}


class CertificateWatch(Periodic):
    """A part: reads files and asks addresses (`https://…`) when their certificates end."""

    def __init__(
        self, files: Mapping[str, Path] | None = None, addresses: Mapping[str, str] | None = None, every: float = EVERY
    ) -> None:
        super().__init__(every)
        self._files = dict(files or {})
        self._addresses = {name: url for name, url in (addresses or {}).items() if url.startswith("https://")}

    async def _round(self) -> None:
        for name, path in self._files.items():
            try:
                ends = _end_of(name, x509.load_pem_x509_certificates(path.read_bytes()))
            except (OSError, ValueError) as error:
                log.warning("certificate_not_read", name=name, error_type=type(error).__name__)
            else:
                EXPIRY.labels(name).set(ends)
        for name, url in self._addresses.items():
            try:
                ends = (await _shown_by(url)).not_valid_after_utc.timestamp()
            except (OSError, TimeoutError, ValueError) as error:
                log.warning("certificate_not_shown", name=name, error_type=type(error).__name__)
            else:
                EXPIRY.labels(name).set(ends)


def _holds_certificates(text: str) -> bool:
    try:
        path = Path(text)
        return path.is_file() and path.stat().st_size <= LARGEST and MARK in path.read_bytes()
    except (OSError, ValueError):
        return False


def _end_of(name: str, certificates: list[x509.Certificate]) -> float:
    """Return when a file is of no more use: with its last authority, or with the first certificate of a chain.

    Of many authorities some have always ended, and one that is good suffices; in a chain our own comes first.
    """
    ends = [certificate.not_valid_after_utc.timestamp() for certificate in certificates]
    return max(ends) if name.endswith(OF_AUTHORITIES) else ends[0]


async def _shown_by(url: str) -> x509.Certificate:
    parts = urlsplit(url)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    async with asyncio.timeout(CONNECT_WITHIN):
        _, writer = await asyncio.open_connection(
            parts.hostname, parts.port or 443, ssl=context, server_hostname=parts.hostname
        )
    try:
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return x509.load_der_x509_certificate(shown)
    finally:
        writer.close()
