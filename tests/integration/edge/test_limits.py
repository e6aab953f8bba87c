"""Too large, too slow, too deep: what an unfriendly client sends before anybody reads it."""

import asyncio
import json
import socket
import threading
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn

from libs.runtime import http_deadlines
from libs.runtime.http_connections import capped_http_protocol
from libs.runtime.http_deadlines import DeadlineHttpProtocol
from tests.support.running import API, Number, Stack, until
from tests.support.shared_stack import newest, refused

MEGABYTE = 1024 * 1024
LAST = ("Connection: close", "Content-Length: 0")


def talk(url: str, pieces: list[bytes], wait: float = 20.0) -> bytes:
    """Write pieces to a server as they are and return all that it answers until it closes."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=wait) as line:
        for piece in pieces:
            try:
                line.sendall(piece)
            except OSError:
                break
        heard = b""
        while True:
            try:
                chunk = line.recv(65536)
            except ConnectionResetError:
                return heard
            if not chunk:
                return heard
            heard += chunk


def head(stack: Stack, *lines: str) -> bytes:
    """Return the head of a POST of a message, with more lines."""
    known = [f"POST {API}/messages HTTP/1.1", "Host: x", f"Authorization: Bearer {stack.key}"]
    return ("\r\n".join([*known, *lines]) + "\r\n").encode()


@pytest.mark.parametrize("megabytes", [2, 64])
@pytest.mark.parametrize("path", ["/messages", "/templates/sync", "/onboarding/manual"])
def test_a_body_too_large_is_refused_and_its_sender_gets_to_read_that(stack: Stack, path: str, megabytes: int) -> None:
    before = newest(stack)
    raw = b'{"text": "' + b"x" * (megabytes * MEGABYTE) + b'"}'
    refused(stack.call("POST", path, raw=raw), 413, "body_too_large")
    assert newest(stack) == before


def test_a_body_without_a_length_is_measured_while_it_comes(stack: Stack) -> None:
    chunk = b"%x\r\n" % MEGABYTE + b"x" * MEGABYTE + b"\r\n"
    heard = talk(
        stack.info["edge"],
        [head(stack, "Transfer-Encoding: chunked", "Connection: close") + b"\r\n", *[chunk] * 4, b"0\r\n\r\n"],
    )
    assert heard.startswith(b"HTTP/1.1 413 ")
    assert json.loads(heard.partition(b"\r\n\r\n")[2])["error"]["code"] == "body_too_large"


def test_a_webhook_too_large_is_refused(stack: Stack) -> None:
    raw = json.dumps({"object": "whatsapp_business_account", "entry": [], "pad": "x" * (5 * MEGABYTE)}).encode()
    refused(stack.webhook(raw), 413, "body_too_large")


@pytest.mark.parametrize("size", [40_000, 300_000])
def test_headers_too_large_are_refused(stack: Stack, size: int) -> None:
    heard = talk(
        stack.info["edge"], [head(stack, "X-Long: " + "a" * size, "Connection: close", "Content-Length: 0") + b"\r\n"]
    )
    assert heard.startswith(b"HTTP/1.1 431 ")


def test_many_small_headers_are_as_large_as_one(stack: Stack) -> None:
    heard = talk(
        stack.info["edge"],
        [head(stack, *(f"X-{i}: {'a' * 50}" for i in range(1000)), "Connection: close", "Content-Length: 0") + b"\r\n"],
    )
    assert heard.startswith(b"HTTP/1.1 431 ")


def test_headers_that_do_not_end_are_cut_off_after_ten_seconds(stack: Stack) -> None:
    began = time.monotonic()
    heard = talk(stack.info["edge"], [head(stack, "X-Slow: a")])
    assert heard.startswith(b"HTTP/1.1 408 ")
    assert 9 < time.monotonic() - began < 12


def test_rubbish_instead_of_http_is_refused_without_a_crash(stack: Stack, number: Number) -> None:
    heard = talk(stack.info["edge"], [b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\r\n\r\n"])
    assert heard.startswith(b"HTTP/1.1 400 ")
    assert stack.call("GET", "/accounts").status_code == 200


class Server:
    """A server with our protocol and an application that answers with the length of what it was sent."""

    def __init__(self, protocol: type[DeadlineHttpProtocol] = DeadlineHttpProtocol) -> None:
        config = uvicorn.Config(self._app, http=protocol, interface="asgi3", lifespan="off", log_config=None)
        self._server = uvicorn.Server(config)
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._server.serve([self._socket])), name="server", daemon=True
        )

    def __enter__(self) -> "Server":
        self._thread.start()
        until(lambda: self._server.started, "the server listens", 10)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self._socket.close()

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            size, more = size + len(message.get("body", b"")), message.get("more_body", False)
        text = str(size).encode()
        headers = [(b"content-length", b"%d" % len(text))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": text})


def test_one_address_may_hold_so_many_connections_and_gets_one_again_when_it_lets_go() -> None:
    with Server(capped_http_protocol(2)) as server:
        address = ("127.0.0.1", int(server.url.rsplit(":", 1)[1]))
        held = [socket.create_connection(address, 5) for _ in range(2)]
        until(lambda: httpx.get(server.url, trust_env=False).status_code == 429, "the third is turned away", 5)
        assert httpx.get(server.url, trust_env=False).headers["retry-after"] == "1"
        held.pop().close()
        until(lambda: httpx.get(server.url, trust_env=False).status_code == 200, "there is room again", 5)
        held.pop().close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A server whose deadlines are a twentieth of ours."""
    monkeypatch.setattr(http_deadlines, "HEADER_DEADLINE", 0.5)
    monkeypatch.setattr(http_deadlines, "BODY_DEADLINE", 1.0)
    with Server() as server:
        yield server


def test_a_body_that_stops_coming_is_cut_off(impatient: Server) -> None:
    began = time.monotonic()
    heard = talk(impatient.url, [b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc"])
    assert heard.startswith(b"HTTP/1.1 408 ")
    assert 0.9 < time.monotonic() - began < 5


def test_a_body_of_one_byte_at_a_time_does_not_hold_its_connection(impatient: Server) -> None:
    parts = urlsplit(impatient.url)
    assert parts.hostname is not None
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=0.05) as line:
        line.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        began, heard = time.monotonic(), b""
        while not heard and time.monotonic() - began < 5:
            try:
                line.sendall(b"a")
                heard = line.recv(100)
            except TimeoutError:
                continue
    assert heard.startswith(b"HTTP/1.1 408 ")


def test_a_large_body_that_keeps_coming_gets_more_time(impatient: Server) -> None:
    parts = urlsplit(impatient.url)
    assert parts.hostname is not None
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=5) as line:
        line.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % (4 * MEGABYTE))
        pace = threading.Event()
        for _ in range(4):
            line.sendall(b"x" * MEGABYTE)
            pace.wait(0.6)  # 2.4 s in all, past the deadline of one second
        assert line.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_a_second_request_of_a_connection_has_a_header_deadline_too(impatient: Server) -> None:
    parts = urlsplit(impatient.url)
    assert parts.hostname is not None
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=5) as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        heard = b""
        while not heard.endswith(b"\r\n\r\n0"):  # the length of the body it was sent
            heard += line.recv(4096)
        line.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
        assert line.recv(4096).startswith(b"HTTP/1.1 408 ")
