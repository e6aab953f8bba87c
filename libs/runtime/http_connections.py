"""A cap on how many connections one address may hold: the rest of the world must find a free one."""

from collections import Counter
from typing import Any, ClassVar

from libs.runtime.http_deadlines import DeadlineHttpProtocol

# Told before a request was read: not processed.
FULL = b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class CappedHttpProtocol(DeadlineHttpProtocol):
    """Counts the connections of a server by address; one too many is answered 429 and closed."""

    most: ClassVar[int]
    held: ClassVar[Counter[str]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._address: str | None = None

    def connection_made(self, transport: Any) -> None:
        """Take the connection, or turn it away."""
        peer = transport.get_extra_info("peername")
        address = peer[0] if isinstance(peer, tuple) else ""
        super().connection_made(transport)
        if self.held[address] >= self.most:
            transport.write(FULL)
            transport.close()
            return
        self._address = address
        self.held[address] += 1

    def data_received(self, data: bytes) -> None:
        """Read on, unless it was turned away."""
        if self._address is not None:
            super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Free its place."""
        if self._address is not None:
            self.held[self._address] -= 1
            if not self.held[self._address]:
                del self.held[self._address]
        super().connection_lost(exc)


def capped_http_protocol(limit: int) -> type[CappedHttpProtocol]:
    """Return the HTTP protocol of a server that takes at most `limit` connections from one address.

    Behind a proxy every connection comes from its address: `limit` is then a cap for the proxy.
    """

    class OfOneServer(CappedHttpProtocol):
        """The protocol with this server's own limit and count."""

        most = limit
        held: ClassVar[Counter[str]] = Counter()

    return OfOneServer
