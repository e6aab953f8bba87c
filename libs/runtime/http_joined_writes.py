"""A transport that sends the head of an answer together with its body: uvicorn writes them one after the other."""

import asyncio
from typing import Any

SMALL = 64 * 1024  # bytes: joining more in memory costs more than a second system call


class JoinedWrites:
    """Holds what is written first until the next write, or to the end of this turn of the loop; then sends both.

    One system call and one packet an answer instead of two. Whatever else is asked of the transport goes through.
    """

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._call_soon = loop.call_soon
        self._held: bytes | None = None
        self._sending: asyncio.Handle | None = None
        self.is_closing = transport.is_closing  # asked with every answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Hold this, or send what is held with it."""
        if self._held is None and len(data) < SMALL:
            self._held, self._sending = data, self._call_soon(self._send)
            return
        if self._sending is not None:
            self._sending.cancel()
        if self._held is not None and len(data) < SMALL:
            data, self._held = self._held + data, None
        self._send()
        self._transport.write(data)

    def close(self) -> None:
        """Send what is held, and close."""
        self._send()
        self._transport.close()

    def _send(self) -> None:
        if self._held is not None:
            held, self._held = self._held, None
            self._transport.write(held)
