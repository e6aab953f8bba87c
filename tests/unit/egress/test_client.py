"""What is really connected to: checked addresses, by every way that leads to them."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from aiohttp import web

from libs.egress.addresses import Limits
from libs.egress.client import Answer, Egress, SendFailed
from tests.support.waiting import eventually

USUAL = Limits()
LOCAL = Limits(allowed=[ip_network("127.0.0.1/32")])


@asynccontextmanager
async def serving(handle: Callable[[web.Request], Any]) -> AsyncIterator[int]:
    """Serve every path with a handler; -> the port."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def post(url: str, *found: str, limits: Limits = LOCAL, seconds: float = 2.0, most: int = 100) -> Answer:
    """Post to a URL whose name has these addresses."""
    asked = []

    def lookup(host: str, port: int) -> list[str]:
        asked.append(host)
        return list(found)

    egress = Egress(limits, timedelta(seconds=seconds), lookup)
    await egress.start()
    try:
        return await egress.post(url, b"{}", {"Content-Type": "application/json"}, most)
    finally:
        await egress.stop()
        assert len(asked) <= 1, "a name is looked up once"


async def failure(url: str, *found: str, limits: Limits = USUAL, seconds: float = 2.0) -> str:
    """Post what must fail and return the word for it."""
    with pytest.raises(SendFailed) as raised:
        await post(url, *found, limits=limits, seconds=seconds)
    return raised.value.error


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"], ["10.0.0.1"], ["1.1.1.1", "10.0.0.1"], ["::1"], ["::ffff:10.0.0.1"], ["64:ff9b::a00:1"],
        ["fe80::1"],
    ],
)  # fmt: skip
async def test_a_name_that_leads_to_one_private_address_is_not_called(addresses: list[str]) -> None:
    assert await failure("https://hooks.example.com/", *addresses) == "address_not_allowed"


@pytest.mark.parametrize("url", ["https://10.0.0.1/", "https://[::1]/", "https://127.1/", "http://hooks.example.com/"])
async def test_a_url_that_was_stored_under_other_rules_is_not_called(url: str) -> None:
    assert await failure(url, "1.1.1.1") == "address_not_allowed"


@pytest.mark.parametrize("host", ["[0:0:0:0:0:0:0:1]", "127.0.0.1", "HOOKS.Example.com", "hooks.example.com."])
async def test_a_host_is_read_in_one_way_however_it_is_spelt(host: str) -> None:
    both = Limits(allowed=[ip_network("127.0.0.1/32"), ip_network("::1/128")])
    assert await failure(f"http://{host}:1/", "127.0.0.1", limits=both) == "connection_failed"


async def test_http_to_a_public_address_is_not_called_where_private_ones_are_listed() -> None:
    assert await failure("http://hooks.example.com/", "1.1.1.1", limits=LOCAL) == "address_not_allowed"


async def test_a_name_without_an_address_is_told_as_such() -> None:
    assert await failure("https://hooks.example.com/") == "name_not_found"


async def test_the_checked_address_is_connected_to_and_the_name_is_in_the_host_header() -> None:
    async def handle(request: web.Request) -> web.Response:
        return web.Response(text=request.headers["Host"] + request.path_qs)

    async with serving(handle) as port:
        answer = await post(f"http://hooks.example.com:{port}/a%2Fb?c=d", "127.0.0.1")
    assert (answer.status, answer.start) == (200, f"hooks.example.com:{port}/a%2Fb?c=d".encode())


async def test_attempts_at_one_slow_name_wait_for_one_look_up() -> None:
    asked: list[str] = []
    known = threading.Event()

    def lookup(host: str, port: int) -> list[str]:
        asked.append(host)
        known.wait(5)
        return ["10.0.0.1"]

    egress = Egress(USUAL, timedelta(seconds=5), lookup)
    await egress.start()
    attempts = [asyncio.create_task(egress.post("https://slow.example.com/", b"", {}, 1)) for _ in range(100)]
    await eventually(lambda: asked, "it is looked up")
    known.set()
    errors = await asyncio.gather(*attempts, return_exceptions=True)
    await egress.stop()
    assert [str(error) for error in errors] == ["address_not_allowed"] * 100
    assert len(asked) < 5, "one look-up, or one more for who came just behind it"


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    async def handle(_: web.Request) -> web.Response:
        return web.Response(text="direct")

    async with serving(handle) as port:
        assert (await post(f"http://hooks.example.com:{port}/", "127.0.0.1")).start == b"direct"


async def test_of_a_long_answer_only_the_beginning_is_read() -> None:
    written = 0

    async def handle(request: web.Request) -> web.StreamResponse:
        nonlocal written
        response = web.StreamResponse()
        await response.prepare(request)
        while written < 50_000_000:
            await response.write(b"x" * 65_536)
            written += 65_536
        return response

    async with serving(handle) as port:
        answer = await post(f"http://hooks.example.com:{port}/", "127.0.0.1", most=10)
    assert answer.start == b"x" * 10
    assert written < 50_000_000


@pytest.mark.parametrize("drips", [False, True], ids=["silent", "dripping"])
async def test_a_server_that_takes_its_time_is_given_up(drips: bool) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        if drips:
            await response.prepare(request)
        for _ in range(30):
            await asyncio.sleep(0.02)
            if drips:
                await response.write(b"x")
        return response

    async with serving(handle) as port:
        url = f"http://hooks.example.com:{port}/"
        assert await failure(url, "127.0.0.1", limits=LOCAL, seconds=0.2) == "timeout"


async def test_nobody_there_is_a_failed_connection_and_no_tls_is_told_as_such() -> None:
    async def handle(_: web.Request) -> web.Response:
        return web.Response()

    async with serving(handle) as port:
        url = f"https://hooks.example.com:{port}/"
        assert await failure(url, "127.0.0.1", limits=LOCAL) == "tls_failed"
    assert await failure(url, "127.0.0.1", limits=LOCAL) == "connection_failed"
