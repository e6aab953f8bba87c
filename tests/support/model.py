"""A tiny endpoint that speaks OpenAI's chat completions, well and badly: the path says how."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LONG = 10 * 1024 * 1024  # bytes of an answer that is too long
HANGS = 30.0  # seconds at most


@dataclass
class Model:
    """What it was asked, by path, and what it waits for."""

    port: int
    asked: list[tuple[str, dict[str, str], dict[str, Any]]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    held: threading.Event = field(default_factory=threading.Event)

    def url(self, way: str) -> str:
        """Return the address of a way to answer."""
        return f"http://127.0.0.1:{self.port}/{way}/v1/chat/completions"

    def of(self, way: str) -> list[dict[str, Any]]:
        """Return the bodies that came by a way."""
        return [body for path, _, body in self.asked if path.split("/")[1] == way]

    def headers(self, way: str) -> dict[str, str]:
        """Return the headers of the last question by a way."""
        return [headers for path, headers, _ in self.asked if path.split("/")[1] == way][-1]


def completion(text: str | None, *tools: str) -> bytes:
    """Return an answer of the model's."""
    calls = [{"id": f"c{place}", "type": "function", "function": {"name": name, "arguments": "{}"}}
             for place, name in enumerate(tools)]  # fmt: skip
    message = {"role": "assistant", "content": text} | ({"tool_calls": calls} if calls else {})
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return json.dumps({"object": "chat.completion", "choices": [choice], "usage": usage}).encode()


def _words(body: dict[str, Any]) -> str:
    """Return what the user said since the assistant last did."""
    said: list[str] = []
    for message in body["messages"]:
        said = [*said, message["content"]] if message["role"] == "user" else []
    return " + ".join(said)


def _handler(model: Model) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            way = self.path.split("/")[1]
            headers = {name.lower(): value for name, value in self.headers.items()}
            earlier = len(model.of(way))
            model.asked.append((self.path, headers, body))
            getattr(self, f"_{way}", self._other)(body, earlier)

        def _echo(self, body: dict[str, Any], _: int) -> None:
            self._answer(200, completion(f"You said: {_words(body)}"))

        def _held(self, body: dict[str, Any], _: int) -> None:
            model.held.wait(HANGS)
            self._echo(body, 0)

        def _context(self, body: dict[str, Any], _: int) -> None:
            self._answer(200, completion(" | ".join(f"{it['role']}: {it['content']}" for it in body["messages"])))

        def _handover(self, body: dict[str, Any], _: int) -> None:
            self._answer(200, completion("Somebody comes.", "hand_over"))

        def _optout(self, body: dict[str, Any], _: int) -> None:
            self._answer(200, completion(None, "opt_out"))

        def _long(self, body: dict[str, Any], _: int) -> None:
            self._answer(200, completion("word " * 2_000))

        def _flaky(self, body: dict[str, Any], earlier: int) -> None:
            if earlier % 2 == 0:
                return self._answer(503, b"")
            return self._echo(body, 0)

        def _busy(self, body: dict[str, Any], _: int) -> None:
            self._answer(429, b"{}")

        def _html(self, body: dict[str, Any], _: int) -> None:
            self._answer(200, b"<html>It works!</html>")

        def _empty(self, body: dict[str, Any], _: int) -> None:
            self._answer(200, completion(""))

        def _huge(self, body: dict[str, Any], _: int) -> None:
            self._answer(200, b"[" + b" " * LONG + b"]")

        def _redirect(self, body: dict[str, Any], _: int) -> None:
            self._answer(307, b"", Location=model.url("echo"))

        def _hang(self, body: dict[str, Any], _: int) -> None:
            model.ended.wait(HANGS)

        def _endless(self, body: dict[str, Any], _: int) -> None:
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            end = time.monotonic() + HANGS
            while time.monotonic() < end and not model.ended.wait(0.05):
                try:
                    self.wfile.write(b"1\r\n \r\n")
                except OSError:
                    return

        def _reset(self, body: dict[str, Any], _: int) -> None:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True

        def _other(self, body: dict[str, Any], _: int) -> None:
            self._answer(404, b"{}")

        def _answer(self, status: int, words: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(words)))
            self.end_headers()
            try:
                self.wfile.write(words)
            except OSError:
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: Any) -> None:
        """Broken connections are what some tests are about."""


@contextmanager
def a_model() -> Iterator[Model]:
    """Run one on a port of the system's."""
    model = Model(0)
    server = _Server(("127.0.0.1", 0), _handler(model))
    model.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield model
    finally:
        model.ended.set()
        model.held.set()
        server.shutdown()
        server.server_close()
