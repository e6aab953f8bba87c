"""When the certificate ends that Meta and customers are shown: edge asks its own public address as they do.

It usually belongs to a proxy in front of edge, so no setting of ours names its file. It is not judged, only read: one
that has ended has to be seen as well.
"""

import asyncio
import ssl
from datetime import datetime
from urllib.parse import urlsplit

import structlog

from libs.runtime.periodic import Periodic
from services.edge.metrics import PUBLIC_CERTIFICATE

EVERY = 3600.0  # seconds: warnings come weeks before, and a renewal should quiet them the same day
CONNECT_WITHIN = 10.0  # seconds to be shown it

log = structlog.get_logger()


class PublicCertificate(Periodic):
    """A part: looks at what the public address shows; one that is not `https` shows nothing."""

    def __init__(self, public_url: str, every: float = EVERY) -> None:
        super().__init__(every)
        self._url = urlsplit(public_url)

    async def _round(self) -> None:
        if self._url.scheme != "https":
            return
        try:
            async with asyncio.timeout(CONNECT_WITHIN):
                shown = await self._shown()
            ends = _end_of(shown).timestamp()
        except (OSError, TimeoutError, ValueError) as error:  # from inside a network it may not be reached at all
            log.warning("public_certificate_not_shown", error_type=type(error).__name__)
        else:
            PUBLIC_CERTIFICATE.labels(self._url.netloc).set(ends)

    async def _shown(self) -> bytes:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        host = self._url.hostname
        _, writer = await asyncio.open_connection(host, self._url.port or 443, ssl=context, server_hostname=host)
        try:
            found: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            return found
        finally:
            writer.close()


def _end_of(shown: bytes) -> datetime:
    from cryptography import x509  # here, for it takes 8 MB that nobody needs without TLS

    return x509.load_der_x509_certificate(shown).not_valid_after_utc
