"""uvicorn's HTTP protocol with what it lacks: deadlines for slow headers and bodies, and a cap on header size."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADER_DEADLINE = 10.0  # seconds from the first byte of a request (or the connect) to the end of its headers
BODY_DEADLINE = 30.0  # seconds for a body, or for each further megabyte of a large one
BODY_PROGRESS = 1024 * 1024  # bytes that a body must bring in that time to get as much time again
HEADER_LIMIT = 32 * 1024  # bytes of request line and headers; proxies in front of us pass at most 16 KiB


class DeadlineHttpProtocol(HttpToolsProtocol):
    """Closes a connection whose headers or body are slow (408), or whose headers are too large (431).

    httptools takes any of these.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._header_timer: asyncio.TimerHandle | None = None
        self._header_bytes = 0
        self._body_timer: asyncio.TimerHandle | None = None
        self._body_bytes = 0

    def connection_made(self, transport: Any) -> None:
        """Start the clock for the first request of a fresh connection."""
        super().connection_made(transport)
        self._await_headers()

    def data_received(self, data: bytes) -> None:
        """Count header bytes while headers are awaited, and start the clock on a kept-alive connection."""
        if self._header_timer is None and (self.cycle is None or self.cycle.response_complete):
            self._await_headers()
        if self._header_timer is not None:
            end = data.find(b"\r\n\r\n")
            self._header_bytes += len(data) if end < 0 else end
            if self._header_bytes > HEADER_LIMIT:  # before they are parsed: they may have come whole, in one read
                self._refuse(b"431 Request Header Fields Too Large")
                return
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """The headers are in: stop their clock."""
        self._stop_clock()
        super().on_headers_complete()
        self._await_body()

    def on_body(self, body: bytes) -> None:
        """Count what the body has brought."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is in: stop the body's clock."""
        self._stop_body_clock()
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the clock with the connection."""
        self._stop_clock()
        self._stop_body_clock()
        super().connection_lost(exc)

    def _await_headers(self) -> None:
        self._header_bytes = 0
        self._header_timer = self.loop.call_later(HEADER_DEADLINE, self._refuse, b"408 Request Timeout")

    def _await_body(self) -> None:
        self._body_bytes = 0
        self._body_timer = self.loop.call_later(BODY_DEADLINE, self._check_body)

    def _check_body(self) -> None:
        if self._body_bytes >= BODY_PROGRESS:
            self._await_body()
        else:
            self._body_timer = None
            self._refuse(b"408 Request Timeout")

    def _stop_body_clock(self) -> None:
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None

    def _stop_clock(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _refuse(self, status: bytes) -> None:
        self._stop_clock()
        if not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            self.transport.close()
