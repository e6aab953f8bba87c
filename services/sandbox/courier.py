"""The HTTP client that carries webhooks to their receivers."""

import secrets

import aiohttp

TIMEOUT = 10.0  # seconds a receiver has to answer
CONNECTIONS = 64  # kept open to a receiver; as many POSTs are in flight at most
_HEADERS = {"Content-Type": "application/json", "User-Agent": "facebookexternalua", "Accept": "*/*"}


class Courier:
    """Posts bodies and performs the handshake; never raises, an attempt that failed is told by its result."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open the connection pool."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=60),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def stop(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def post(self, url: str, body: bytes, signature: str) -> int | str:
        """Post one webhook; return the HTTP status, or the name of what went wrong."""
        headers = {**_HEADERS, "X-Hub-Signature-256": signature}
        try:
            async with self._open().post(url, data=body, headers=headers, allow_redirects=False) as answer:
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            return type(error).__name__

    async def handshake(self, url: str, verify_token: str) -> bool:
        """Ask a callback for its consent: it must answer 200 with the challenge as its body."""
        challenge = str(secrets.randbelow(2**31))
        query = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": verify_token}
        try:
            async with self._open().get(url, params=query, allow_redirects=False) as answer:
                return answer.status == 200 and (await answer.text()).strip() == challenge
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return False

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the courier was not started")
        return self._session
