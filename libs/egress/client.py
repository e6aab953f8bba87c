"""One POST to an address that a customer gave us, and to no other: looked up once, checked, connected to.

Nothing here trusts the name, the server or its answer: no redirect is followed, no proxy taken from the environment,
no cookie kept, nothing unpacked, and of the answer only the first bytes are read.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL  # aiohttp's own reading of URLs

from libs.egress.addresses import Limits, UrlRefused, literal_address, port_of, split

READ_AT_MOST = 64 * 1024  # bytes of an answer, or what is asked for: past that its connection is not used again
LOOKUPS = 64  # threads: a name server that does not answer holds up those who wait for it, and nobody else
IDLE_CONNECTION = 30.0  # seconds that a connection is kept for the next event

Lookup = Callable[[str, int], list[str]]


class AddressRefused(OSError):
    """The name leads to an address that is not public."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    start: bytes
    retry_after: str | None


class SendFailed(Exception):
    """No answer came; `error` is a word of the list in README.md."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


class Egress:
    """A part: holds the connections. `lookup` returns the addresses of a name, in a thread; tests hand in their own."""

    def __init__(self, limits: Limits, timeout: timedelta, lookup: Lookup | None = None) -> None:
        self._limits = limits
        self._timeout = aiohttp.ClientTimeout(total=timeout.total_seconds())
        self._threads = ThreadPoolExecutor(LOOKUPS, "lookup")
        self._lookup = lookup or _addresses
        self._looking: dict[tuple[str, int], asyncio.Future[list[str]]] = {}
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def start(self) -> None:
        """Make the clients: one for https, and one for http to the addresses that a test stack lists."""
        for secure in (True, False):
            connector = aiohttp.TCPConnector(
                resolver=_CheckedResolver(self._look_up, self._limits, secure=secure),
                use_dns_cache=False,
                limit=0,  # the dispatcher bounds what is under way
                keepalive_timeout=IDLE_CONNECTION,
            )
            self._sessions[secure] = aiohttp.ClientSession(
                connector=connector, timeout=self._timeout, trust_env=False, auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(), skip_auto_headers=("Accept", "Accept-Encoding"),
            )  # fmt: skip

    async def stop(self) -> None:
        """Close all connections."""
        for session in self._sessions.values():
            await session.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], most: int, timeout: timedelta | None = None
    ) -> Answer:  # fmt: skip
        """POST within a time; -> the answer with its first `most` bytes. Raises SendFailed."""
        limit = aiohttp.ClientTimeout(total=timeout.total_seconds()) if timeout is not None else self._timeout
        try:
            target, secure = URL(url), self._check(url)
            request = self._sessions[secure].post(
                target, data=body, headers=headers, allow_redirects=False, timeout=limit
            )  # fmt: skip
            async with request as response:
                start = await _beginning(response, most)
                return Answer(response.status, start, response.headers.get("Retry-After"))
        except (UrlRefused, OSError, aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise SendFailed(_word_for(error)) from None

    def _check(self, url: str) -> bool:
        """Check what the connector will not look up; -> whether it is https."""
        self._limits.check(url)
        parts = split(url)
        secure, address = parts.scheme == "https", literal_address(parts.hostname or "")
        if address is not None and not self._limits.permits(address, port_of(parts), secure=secure):
            raise AddressRefused("not a public address")
        # What is connected to is what the client reads in the URL: it must be what was checked.
        host = URL(url).raw_host or ""
        if (literal_address(host) or host.lower()) != (address or parts.hostname):
            raise AddressRefused("a URL that is read in two ways")
        return secure

    async def _look_up(self, host: str, port: int) -> list[str]:
        """Look a name up, once for all who ask meanwhile: many attempts at one slow name take one thread."""
        looking = self._looking.get((host, port))
        if looking is None:
            loop = asyncio.get_running_loop()
            looking = loop.run_in_executor(self._threads, self._lookup, host, port)
            self._looking[host, port] = looking
            looking.add_done_callback(lambda _: self._looking.pop((host, port), None))
        return await asyncio.shield(looking)


def _addresses(host: str, port: int) -> list[str]:
    return [str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class _CheckedResolver(AbstractResolver):
    """Gives the connector addresses that were checked, and those are what it connects to."""

    def __init__(self, lookup: Callable[[str, int], Awaitable[list[str]]], limits: Limits, *, secure: bool) -> None:
        self._lookup = lookup
        self._limits = limits
        self._secure = secure

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._lookup(host, port)
        if not found:
            raise socket.gaierror("the name has no address")
        for text in found:
            if not self._limits.permits(ip_address(text), port, secure=self._secure):
                raise AddressRefused("not a public address")
        return [
            ResolveResult(
                hostname=host, host=text, port=port, proto=socket.IPPROTO_TCP, flags=socket.AI_NUMERICHOST,
                family=socket.AF_INET6 if ip_address(text).version == 6 else socket.AF_INET,
            )
            for text in found
        ]  # fmt: skip

    async def close(self) -> None:
        """Nothing is open."""


async def _beginning(response: aiohttp.ClientResponse, most: int) -> bytes:
    """Return the first bytes; a short answer is read to its end, so that its connection can be used again."""
    start, size, at_most = bytearray(), 0, max(READ_AT_MOST, most)
    while size < at_most and (chunk := await response.content.read(at_most - size)):
        start += chunk[: most - len(start)]
        size += len(chunk)
    if not response.content.at_eof():
        response.close()
    return bytes(start)


def _word_for(error: Exception) -> str:
    """Return the word for what went wrong, as customers read it."""
    if isinstance(error, aiohttp.ClientConnectorError):
        # What the resolver raises comes wrapped; a certificate's error has a type of its own.
        if isinstance(error.os_error, AddressRefused):
            return "address_not_allowed"
        if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
            return "tls_failed"
    words: list[tuple[Any, str]] = [
        ((UrlRefused, AddressRefused), "address_not_allowed"),
        (TimeoutError, "timeout"),
        ((aiohttp.ClientConnectorDNSError, socket.gaierror, UnicodeError), "name_not_found"),
        ((aiohttp.ClientSSLError, ssl.SSLError), "tls_failed"),
        (aiohttp.ClientConnectorError, "connection_failed"),
        (aiohttp.ClientResponseError, "answer_unreadable"),
        ((aiohttp.InvalidURL, ValueError), "address_not_allowed"),
    ]
    return next((word for kind, word in words if isinstance(error, kind)), "connection_lost")
