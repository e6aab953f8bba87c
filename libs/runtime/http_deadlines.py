"""uvicorn's HTTP protocol with what it lacks: deadlines for slow headers and bodies, a cap on header size.

And its answers leave in one write.
"""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from libs.runtime.http_joined_writes import JoinedWrites

HEADER_DEADLINE = 10.0  # seconds from the first byte of a request (or the connect) to the end of its headers
BODY_DEADLINE = 30.0  # seconds for a body, or for each further megabyte of a large one
BODY_PROGRESS = 1024 * 1024  # bytes that a body must bring in that time to get as much time again
LOOK_EVERY = 0.5  # seconds between looks at a connection's clocks
HEADER_LIMIT = 32 * 1024  # bytes of request line and headers; proxies in front of us pass at most 16 KiB


class DeadlineHttpProtocol(HttpToolsProtocol):
    """Closes a connection whose headers or body are slow (408), or whose headers are too large (431).

    httptools takes any of these.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._header_until = 0.0  # loop time; 0 while no headers are awaited
        self._header_bytes = 0
        self._body_until = 0.0  # loop time; 0 while no body is awaited
        self._body_bytes = 0
        self._look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Start the clock for the first request of a fresh connection."""
        super().connection_made(transport)
        self.transport = cast(asyncio.Transport, JoinedWrites(transport, self.loop))
        self._await_headers()
        self._look = self.loop.call_later(LOOK_EVERY, self._check)

    def data_received(self, data: bytes) -> None:
        """Count header bytes while headers are awaited, and start the clock on a kept-alive connection.

        What still comes of a body that was refused before its end is no header: its sender gets to read the refusal.
        """
        if not (self._header_until or self._body_until) and (self.cycle is None or self.cycle.response_complete):
            self._await_headers()
        if self._header_until:
            end = data.find(b"\r\n\r\n")
            self._header_bytes += len(data) if end < 0 else end
            if self._header_bytes > HEADER_LIMIT:  # before they are parsed: they may have come whole, in one read
                self._refuse(b"431 Request Header Fields Too Large")
                return
        else:
            self._body_bytes += len(data)
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """The headers are in: stop their clock, start the body's."""
        self._header_until = 0.0
        super().on_headers_complete()
        self._await_body()

    def on_message_complete(self) -> None:
        """The request is in: stop the body's clock."""
        self._body_until = 0.0
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Look no more."""
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)

    def _await_headers(self) -> None:
        self._header_bytes = 0
        self._header_until = self.loop.time() + HEADER_DEADLINE

    def _await_body(self) -> None:
        self._body_bytes = 0
        self._body_until = self.loop.time() + BODY_DEADLINE

    def _check(self) -> None:
        """Look at both clocks: one timer a connection, since a timer for each request would cost more than parsing."""
        self._look = self.loop.call_later(LOOK_EVERY, self._check)
        now = self.loop.time()
        if self._header_until and now > self._header_until:
            self._refuse(b"408 Request Timeout")
        elif self._body_until and now > self._body_until:
            if self._body_bytes >= BODY_PROGRESS:
                self._await_body()
            else:
                self._refuse(b"408 Request Timeout")

    def _refuse(self, status: bytes) -> None:
        self._header_until = self._body_until = 0.0
        if not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            self.transport.close()
