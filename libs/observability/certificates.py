"""When the certificates that the settings name run out, as a metric: they do so on a day on which nobody deploys."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import structlog
from prometheus_client import Gauge

from libs.runtime.periodic import Periodic

EVERY = 24 * 3600.0  # seconds: files are replaced in place, weeks before they run out

EXPIRY = Gauge(
    "wabus_certificate_expiry_timestamp_seconds",
    "When the first certificate in this file runs out, in seconds since 1970; 0 where the file cannot be read.",
    ["file"],
)
log = structlog.get_logger()


class CertificateWatch(Periodic):
    """A part: looks at the files at start and once a day."""

    def __init__(self, files: Sequence[Path], gauge: Gauge = EXPIRY) -> None:
        super().__init__(EVERY, at_once=False)
        self._files = files
        self._gauge = gauge

    async def start(self) -> None:
        """Look, and go on looking."""
        await self._round()
        await super().start()

    async def _round(self) -> None:
        for file in self._files:
            try:
                expires = expiry(file).timestamp()
            except (OSError, ValueError) as error:
                log.error("certificate_not_read", path=str(file), error_type=type(error).__name__)
                expires = 0.0
            self._gauge.labels(str(file)).set(expires)


def expiry(file: Path) -> datetime:
    """Return when the first of a PEM file's certificates runs out; raises OSError, or ValueError where it has none."""
    from cryptography import x509  # here, for it takes 8 MB that a process without certificates need not hold

    return min(each.not_valid_after_utc for each in x509.load_pem_x509_certificates(file.read_bytes()))
