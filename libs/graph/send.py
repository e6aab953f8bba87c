"""The one hot call: POST a message. Its outcome is definitely yes, definitely no, or unknown, never a guess."""

import json
from dataclasses import dataclass

import aiohttp
from aiohttp import ClientConnectorError, ConnectionTimeoutError

from libs.graph.errors import GraphError, clean, read_error

CONNECT = 5.0  # seconds to a connection
MOST_CONNECTIONS = 400  # per process: 1,000 messages/s at Meta's median of 300 ms, with room
WAMID_LIMIT = 512  # characters; Meta's have well under 200
ANSWER_LIMIT = 256 * 1024  # bytes; a send's answer has some hundred


@dataclass(frozen=True, slots=True)
class Accepted:
    """200 and a wamid: Meta has the message, also where it holds it back for a while to assess its quality."""

    wamid: str


@dataclass(frozen=True, slots=True)
class Refused:
    """An error body of Graph's: Meta does not have the message."""

    error: GraphError


@dataclass(frozen=True, slots=True)
class NotConnected:
    """No connection was made: nothing was written, sending again is safe."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """The request may have been read: timeout or reset after writing, 5xx without a Graph body, strange answer."""

    reason: str


SendOutcome = Accepted | Refused | NotConnected | Unknown


def payload(message_id: str, recipient: str, content: str) -> bytes:
    """Return the body of POST /{number}/messages for stored content (`{"type": ..., ...}` as JSON text).

    Meta returns `biz_opaque_callback_data`, our message id, in every status. A business-scoped user id goes to
    `recipient`, a phone number to `to`.
    """
    place = "to" if recipient.startswith("+") else "recipient"
    head = {"messaging_product": "whatsapp", place: recipient, "biz_opaque_callback_data": message_id}
    return (json.dumps(head)[:-1] + "," + content[1:]).encode()


class GraphSender:
    """Posts messages over kept-alive connections. A part: start before use, stop closes the connections."""

    def __init__(self, base_url: str, version: str) -> None:
        self._base = f"{base_url.rstrip('/')}/{version}/"
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open the session."""
        connector = aiohttp.TCPConnector(limit=MOST_CONNECTIONS, keepalive_timeout=60, ttl_dns_cache=60)
        self._session = aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=["User-Agent", "Accept", "Accept-Encoding"],
            headers={"Content-Type": "application/json"},
        )

    async def stop(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def send(self, phone_number_id: str, token: str, body: bytes, timeout: float) -> SendOutcome:
        """POST one message; never raises, never follows a redirect, never tries twice by itself."""
        session = self._session
        if session is None:
            raise RuntimeError("GraphSender is not started")
        try:
            async with session.post(
                f"{self._base}{phone_number_id}/messages",
                data=body,
                headers={"Authorization": f"Bearer {token}"},
                timeout=aiohttp.ClientTimeout(total=timeout, connect=None, sock_connect=min(CONNECT, timeout)),
                allow_redirects=False,
            ) as answer:
                raw = await answer.content.read(ANSWER_LIMIT)
                while not answer.content.at_eof():
                    if len(raw) > ANSWER_LIMIT:
                        return Unknown("answer_too_large")
                    raw += await answer.content.read(ANSWER_LIMIT)
                return read_answer(answer.status, raw)
        except (ClientConnectorError, ConnectionTimeoutError):
            return NotConnected()
        except TimeoutError:
            return Unknown("timeout")
        except (aiohttp.ClientError, OSError):
            return Unknown("connection_lost")


def read_answer(status: int, raw: bytes) -> SendOutcome:
    """Read Graph's answer to a send."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        body = None
    if status == 200:
        try:
            return Accepted(clean(body["messages"][0]["id"], WAMID_LIMIT))
        except (TypeError, KeyError, IndexError, AttributeError):
            return Unknown("unreadable_answer")
    error = read_error(body, status)
    return Refused(error) if error is not None else Unknown(f"http_{status}")
