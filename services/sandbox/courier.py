"""The HTTP clients that carry webhooks to their receivers."""

import secrets

import aiohttp

from services.sandbox.lines import Lines

TIMEOUT = 10.0  # seconds a receiver has to answer
CONNECTIONS = 64  # kept open to a receiver; as many POSTs are in flight at most
_HEADERS = {"Content-Type": "application/json", "User-Agent": "facebookexternalua", "Accept": "*/*"}


class Courier:
    """Posts bodies and performs the handshake; never raises, an attempt that failed is told by its result.

    aiohttp does all of it but one thing: POSTs over plain HTTP go through `Lines`, for they are two thirds of what a
    message costs the sandbox, and the load tests share the machine with it.
    """

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._lines = Lines(_HEADERS, TIMEOUT)

    async def start(self) -> None:
        """Open the connection pool."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def stop(self) -> None:
        """Close the connections."""
        self._lines.close()
        if self._session is not None:
            await self._session.close()

    async def post(self, url: str, body: bytes, signature: str) -> int | str:
        """Post one webhook; return the HTTP status, or the name of what went wrong."""
        try:
            if url.startswith("http://"):
                return await self._lines.post(url, body, signature)
            headers = {**_HEADERS, "X-Hub-Signature-256": signature}
            async with self._open().post(url, data=body, headers=headers, allow_redirects=False) as answer:
                return answer.status
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            return type(error).__name__

    async def handshake(self, url: str, verify_token: str) -> bool:
        """Ask a callback for its consent: it must answer 200 with the challenge as its body."""
        challenge = str(secrets.randbelow(2**31))
        query = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": verify_token}
        try:
            async with self._open().get(url, params=query, allow_redirects=False) as answer:
                return answer.status == 200 and (await answer.text()).strip() == challenge
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            return False

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the courier was not started")
        return self._session
