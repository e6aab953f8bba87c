"""When certificates end is read from files that settings name and from what an address shows."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr

from libs.observability.certificates import CertificateWatch, certificate_files
from tests.support.certificates import pem
from tests.support.waiting import eventually

NOW = datetime(2026, 11, 29, tzinfo=UTC)


def told(name: str) -> float | None:
    return REGISTRY.get_sample_value("wabus_certificate_expiry_timestamp_seconds", {"certificate": name})


def test_only_settings_that_name_files_with_certificates_are_watched(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(pem(NOW))
    (tmp_path / "client.pem").write_bytes(pem(NOW, with_key=True))
    (tmp_path / "notes.txt").write_text("no certificate")
    mongo = f"mongodb://u:p@h/?tls=true&tlsCAFile={tmp_path}/ca.pem&tlsCertificateKeyFile={tmp_path}/client.pem"
    settings = {
        "kafka_ca_file": tmp_path / "ca.pem", "state": tmp_path, "notes": str(tmp_path / "notes.txt"),
        "missing": tmp_path / "none.pem", "port": 8080, "mongo_url": SecretStr(mongo), "odd": "a\0b",
    }  # fmt: skip
    found = certificate_files(settings)
    assert {name: path.name for name, path in found.items()} == {
        "kafka_ca_file": "ca.pem", "mongo_ca_file": "ca.pem", "mongo_certificate_key_file": "client.pem",
    }  # fmt: skip


async def test_a_chain_ends_with_its_own_certificate_and_a_file_of_authorities_with_its_last(tmp_path: Path) -> None:
    sooner, later = NOW + timedelta(days=3), NOW + timedelta(days=900)
    both = tmp_path / "both.pem"
    both.write_bytes(pem(sooner) + pem(later))
    watch = CertificateWatch({"a_ca_file": both, "a_certificate_file": both, "a_lost_file": tmp_path / "none"})
    await watch.start()
    await eventually(lambda: told("a_certificate_file"), "the files are read")
    await watch.stop()
    assert (told("a_ca_file"), told("a_certificate_file")) == (later.timestamp(), sooner.timestamp())
    assert told("a_lost_file") is None


async def test_an_address_is_asked_what_it_shows_even_if_nobody_would_trust_it(tmp_path: Path) -> None:
    (tmp_path / "server.pem").write_bytes(pem(NOW - timedelta(days=1), with_key=True))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    watch = CertificateWatch(addresses={"shown": f"https://127.0.0.1:{port}", "plain": "http://127.0.0.1:1"})
    await watch.start()
    await eventually(lambda: told("shown"), "it is shown")
    await watch.stop()
    server.close()
    assert told("shown") == (NOW - timedelta(days=1)).timestamp()
    assert told("plain") is None


@pytest.mark.parametrize("named", ["a_ca_file", "a_certificate_file"])
async def test_a_file_that_was_replaced_is_seen_in_the_next_round(tmp_path: Path, named: str) -> None:
    path = tmp_path / "renewed.pem"
    path.write_bytes(pem(NOW))
    watch = CertificateWatch({named: path}, every=0.01)
    await watch.start()
    await eventually(lambda: told(named) == NOW.timestamp(), "the old one is read")
    path.write_bytes(pem(NOW + timedelta(days=90)))
    await eventually(lambda: told(named) == (NOW + timedelta(days=90)).timestamp(), "the new one is read")
    await watch.stop()
