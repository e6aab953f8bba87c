"""A stack of its own, a Prometheus that looks at it, and a day that was played before anybody asks."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.dashboards.day import Day
from tests.dashboards.prometheus import Prometheus, scraping
from tests.support.certificates import pem
from tests.support.model import a_model
from tests.support.receiver import receiving
from tests.support.running import running_stack, until
from tests.support.shared_stack import AT_ONCE, SETTINGS


@contextmanager
def tls_address(directory: Path) -> Iterator[str]:
    """Serve a certificate of thirty days at an `https://` address, as the proxy in front of edge does."""
    path = directory / "server.pem"
    path.write_bytes(pem(datetime.now(UTC) + timedelta(days=30), with_key=True))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(
        asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    )
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that has seen the whole day."""
    with tls_address(tmp_path_factory.mktemp("tls")) as address:
        settings = SETTINGS | {"WABUS_PUBLIC_URL": address, "WABUS_CAMPAIGNS_AHEAD": "PT1S"}
        with running_stack(**settings) as stack, scraping(stack) as running:
            stack.box("PUT", "/timing", AT_ONCE | {"read_share": 0.5})
            with receiving() as receiver, a_model() as model:
                Day(stack, receiver, model).play()
                seen = 'max(wabus_edge_accounts{reason="token_invalid"}) and max(wabus_edge_numbers{quality="red"})'
                until(lambda: running.ask(seen), "edge has counted who cannot send", 60, 1)
            yield running
