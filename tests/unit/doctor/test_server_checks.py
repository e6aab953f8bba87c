"""What the doctor makes of what servers show: certificates and clocks."""

import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.doctor.findings import Level
from deploy.doctor.server_checks import _database, _edge, _ends, _findings, _runs_out, _skew, _topics
from deploy.local.certificates import Certificates
from deploy.local.deployment import Deployment


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def serving(context: ssl.SSLContext | None) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"http{'s' if context else ''}://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(5)


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """An https server with a certificate of an authority of its own."""
    made = Certificates(tmp_path)
    made.make()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.server)
    with serving(context) as url:
        yield url, made.ca


async def found(url: str, **more: str) -> list[tuple[Level, str]]:
    deployment = Deployment({"PUBLIC_URL": url, "GRAPH_URL": "https://graph.facebook.com", **more})
    return [(each.level, each.says) for each in await _findings("edge", _edge(deployment))]


async def test_a_certificate_at_the_public_address_that_nobody_trusts_is_an_error(secured: tuple[str, Path]) -> None:
    [(level, says)] = await found(secured[0])
    assert (level, "that nobody trusts" in says) == (Level.ERROR, True)


async def test_what_answers_at_the_public_address_without_a_key_is_told() -> None:
    with serving(None) as url:
        said = {says: level for level, says in await found(url)}
    assert [level for says, level in said.items() if "/metrics answers whoever asks" in says] == [Level.WARNING]
    assert [level for says, level in said.items() if "/internal/tenants answers 200" in says] == [Level.ERROR]


@pytest.mark.parametrize(
    ("check", "variable"), [(_database, "MONGO_URL"), (_topics, "KAFKA_BOOTSTRAP"), (_edge, "PUBLIC_URL")]
)
async def test_a_server_that_nobody_names_is_not_called_fine(check: Any, variable: str) -> None:
    [found] = await _findings("it", check(Deployment({})))
    assert (found.level, found.says) == (Level.NOTE, f"not asked: WABUS_{variable} is not set")


@pytest.mark.parametrize("error", [TimeoutError(), ConnectionError(), httpx.ReadError("")])
async def test_why_a_server_was_not_asked_is_told_even_where_the_error_has_no_words(error: Exception) -> None:
    async def nobody() -> AsyncIterator[tuple[Level, str]]:
        raise error
        yield Level.OK, ""

    [found] = await _findings("it", nobody())
    assert found.says.partition("from here: ")[2]


async def test_an_address_that_is_not_reached_from_here_is_a_note() -> None:
    [(level, says)] = await found("https://127.0.0.1:1")
    assert (level, says.partition(":")[0]) == (Level.NOTE, "could not be asked from here")


@pytest.mark.parametrize(
    ("days", "level"), [(0, None), (360, None), (370, Level.WARNING), (393, Level.ERROR), (400, Level.ERROR)]
)
async def test_the_end_of_its_certificate_is_told_in_time(
    secured: tuple[str, Path], days: int, level: Level | None
) -> None:
    url, authority = secured
    later = datetime.now(UTC) + timedelta(days=days)
    context = ssl.create_default_context(cafile=authority)
    async with httpx.AsyncClient(verify=context) as client, client.stream("GET", url) as shown:
        ends = _ends(shown)
    assert ends is not None
    told = _runs_out(url, ends, later)
    assert (told and told[0]) == level


@pytest.mark.parametrize(
    ("seconds", "level"), [(0.5, None), (-1.9, None), (3, Level.WARNING), (-40, Level.ERROR), (3600, Level.ERROR)]
)
def test_a_clock_that_is_off_is_told_by_how_much(seconds: float, level: Level | None) -> None:
    told = _skew("MongoDB", timedelta(seconds=seconds))
    assert (told and told[0]) == level
    assert told is None or f"{seconds:+.1f} s off" in told[1]
