from pathlib import Path

from cryptography import x509
from prometheus_client import CollectorRegistry, Gauge

from deploy.local.certificates import Certificates
from libs.observability.certificates import EXPIRY, CertificateWatch, expiry

NAME = "wabus_certificate_expiry_timestamp_seconds"


def test_the_gauge_has_the_name_that_the_alert_asks_for() -> None:
    assert [metric.name for metric in EXPIRY.collect()] == [NAME]


def test_of_several_certificates_in_a_file_the_first_to_run_out_counts(tmp_path: Path) -> None:
    early, late = Certificates(tmp_path / "early"), Certificates(tmp_path / "late")
    early.make()
    late.make()
    both = tmp_path / "both.pem"
    both.write_bytes(late.ca.read_bytes() + early.ca.read_bytes())
    first = x509.load_pem_x509_certificate(early.ca.read_bytes()).not_valid_after_utc
    assert expiry(both) == min(first, expiry(late.ca))


async def test_every_file_is_told_from_the_start_and_one_that_cannot_be_read_as_run_out(tmp_path: Path) -> None:
    made, gone = Certificates(tmp_path), tmp_path / "gone.pem"
    made.make()
    registry = CollectorRegistry()
    watch = CertificateWatch([made.ca, gone], Gauge(NAME, "When it runs out.", ["file"], registry=registry))
    await watch.start()
    try:
        assert registry.get_sample_value(NAME, {"file": str(made.ca)}) == expiry(made.ca).timestamp()
        assert registry.get_sample_value(NAME, {"file": str(gone)}) == 0
    finally:
        await watch.stop()
