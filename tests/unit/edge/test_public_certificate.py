"""What the public address shows is read, whether or not anybody would trust it."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from services.edge.public_certificate import PublicCertificate
from tests.support.certificates import pem
from tests.support.waiting import eventually

ENDED = datetime(2026, 11, 28, tzinfo=UTC)


def told(address: str) -> float | None:
    return REGISTRY.get_sample_value("wabus_edge_public_certificate_expiry_timestamp_seconds", {"address": address})


async def watched(url: str) -> PublicCertificate:
    watch = PublicCertificate(url, every=0.01)
    await watch.start()
    return watch


async def test_a_certificate_that_has_ended_is_seen_and_its_renewal_too(tmp_path: Path) -> None:
    path = tmp_path / "server.pem"
    path.write_bytes(pem(ENDED, with_key=True))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    watch = await watched(f"https://{address}")
    await eventually(lambda: told(address) == ENDED.timestamp(), "it is seen")
    renewed = ENDED + timedelta(days=90)
    path.write_bytes(pem(renewed, with_key=True))
    context.load_cert_chain(path)
    await eventually(lambda: told(address) == renewed.timestamp(), "the renewed one is seen")
    await watch.stop()
    server.close()


async def test_an_address_that_cannot_be_reached_is_logged_and_not_told_as_ended() -> None:
    with capture_logs() as logs:
        watch = await watched("https://127.0.0.1:1")
        await eventually(lambda: logs, "it is logged")
        await watch.stop()
    assert {line["event"] for line in logs} == {"public_certificate_not_shown"}
    assert told("127.0.0.1:1") is None


async def test_an_address_without_tls_is_not_asked() -> None:
    asked: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: asked.append(writer), "127.0.0.1", 0)
    watch = await watched(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    await asyncio.sleep(0.05)
    await watch.stop()
    server.close()
    assert not asked
