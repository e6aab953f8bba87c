"""POST /{phone number id}/messages: the hot route, as a bare ASGI application."""

import asyncio
import json
import re
import socket
import struct
from typing import Any

from starlette.types import Receive, Scope, Send

from services.sandbox.errors import CATALOGUE, GraphError, bad_parameter, refusal
from services.sandbox.faults import Fault, Faults
from services.sandbox.graph_http import LARGEST_JSON, bearer, error_response, parsed
from services.sandbox.identifiers import canonical, digits_of
from services.sandbox.messages import PLAIN, Messages, Play, first_webhook
from services.sandbox.model import Number
from services.sandbox.webhooks import encode
from services.sandbox.world import World

PATH = re.compile(r"^/(\d+)/(?:marketing_)?messages$")
SLOW, NO_ANSWER = 5.0, 120.0  # seconds: defaults of `slow` and of how long `accept_no_answer` holds the line
_HEADERS = [(b"content-type", b"application/json; charset=UTF-8"), (b"facebook-api-version", b"v25.0")]
_READ = b'{"success":true}'


class MessagesRoute:
    """Sends, mark-as-read and typing indicators; plays the faults that strike a send."""

    def __init__(self, world: World, messages: Messages, faults: Faults) -> None:
        self._world, self._messages, self._faults = world, messages, faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call; the path is known to fit."""
        number_id = scope["path"].split("/")[1]
        body: dict[str, Any] = {}
        try:
            token = self._world.token(bearer(scope))
            number = self._world.number(token, number_id, "post")
            raw = await _read(receive)
            body = parsed(raw, _content_type(scope))
            if "status" in body and "type" not in body:
                await self._mark_read(number, body, send)
                return
            if scope["path"].endswith("/marketing_messages"):
                _check_marketing(self._world, number, body)
            await self._send(number, body, raw, receive, send)
        except GraphError as error:
            if "status" not in body:
                self._messages.reject(number_id, body, error)
            await error_response(error)(scope, receive, send)

    async def _mark_read(self, number: Number, body: dict[str, Any], send: Send) -> None:
        person = self._messages.writer_of(str(body.get("message_id")))
        if (slow := self._faults.strike("slow", number.id, person)) is not None:
            await asyncio.sleep(slow.number("seconds", SLOW))
        if (error := self._faults.strike("error", number.id, person)) is not None:
            raise chosen(error)
        if (struck := self._faults.strike("http_5xx", number.id, person)) is not None:
            await _answer(send, *broken(struck))
            return
        self._messages.mark_read(number, body)
        await _answer(send, _READ)

    async def _send(self, number: Number, body: dict[str, Any], raw: bytes, receive: Receive, send: Send) -> None:
        person = _person(body) if self._faults.all else None
        if self._faults.strike("refuse", number.id, person):
            await _reset(receive, send)
            return
        play = self._play(number.id, person)
        if isinstance(play, Fault):
            await _answer(send, *broken(play))
            return
        text = raw.decode() if body and raw[:1] == b"{" else json.dumps(body)
        accepted = await self._messages.send(number, body, text, play)
        if play.outcome == "accepted_reset":
            await _reset(receive, send)
            return
        if play.outcome == "accepted_no_answer":
            await _hold(receive, send, NO_ANSWER)
            return
        slow = self._faults.strike("slow", number.id, person)
        if slow is not None:
            await asyncio.sleep(slow.number("seconds", SLOW))
        await first_webhook(accepted)
        await _answer(send, encode(accepted.answer).encode())

    def _play(self, number_id: str, person: str | None) -> Play | Fault:
        """Return how this send goes, or the fault that answers it with a 5xx; raises the GraphError of `error`."""
        if not self._faults.all:
            return PLAIN
        strike = self._faults.strike
        error = strike("error", number_id, person)
        if error is not None and not error.options.get("later"):
            raise chosen(error)
        broken = strike("http_5xx", number_id, person)
        if broken is not None:
            return broken
        outcome = "accepted"
        if strike("accept_then_reset", number_id, person):
            outcome = "accepted_reset"
        elif strike("accept_no_answer", number_id, person):
            outcome = "accepted_no_answer"
        early = strike("webhooks_early", number_id, person) is not None
        failure = int(error.number("code", 131000)) if error is not None else None
        return Play(outcome, early, failure, error.options.get("details") if error is not None else None)


def _check_marketing(world: World, number: Number, body: dict[str, Any]) -> None:
    """The marketing endpoint takes marketing templates only."""
    content = body.get("template")
    language = content.get("language") if isinstance(content, dict) else None
    code = language.get("code") if isinstance(language, dict) else None
    name = content.get("name") if isinstance(content, dict) else None
    template = world.template(number.waba_id, str(name), str(code))
    if (template is not None and template.category != "MARKETING") or body.get("type") != "template":
        raise refusal(131055, "Only marketing templates can be sent with this endpoint.")


def chosen(fault: Fault) -> GraphError:
    """Return the error that a fault asks for: any code, and whatever else it names."""
    code = int(fault.number("code", 131000))
    wish = fault.options
    known = refusal(code)
    message = f"(#{code}) {wish['title']}" if "title" in wish else known.message
    status = int(fault.number("http_status", CATALOGUE.get(code, ("", 400))[1]))
    details = wish.get("details", "Played by the sandbox.")
    return GraphError(code, message, status, subcode=wish.get("subcode", known.subcode), details=details)


def broken(fault: Fault) -> tuple[bytes, int, bytes]:
    """Return body, status and content type of a 5xx: a Graph body, a page of HTML, or nothing at all."""
    status = int(fault.number("status", 503))
    sort = fault.options.get("body", "none")
    if sort == "graph":
        error = refusal(int(fault.number("code", 2)))
        return encode(error.envelope("Asandbox")).encode(), status, b"application/json; charset=UTF-8"
    if sort == "html":
        return b"<html><body><h1>Sorry, something went wrong.</h1></body></html>", status, b"text/html"
    return b"", status, b"text/plain"


def _person(body: dict[str, Any]) -> str | None:
    digits = digits_of(str(body.get("to", "")))
    return canonical(digits) if digits is not None else body.get("recipient")


async def _read(receive: Receive) -> bytes:
    chunks, size, more = [], 0, True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise bad_parameter("The request body is incomplete.")
        chunk = event.get("body", b"")
        size += len(chunk)
        if size > LARGEST_JSON:
            raise bad_parameter("Request body is too large.")
        chunks.append(chunk)
        more = event.get("more_body", False)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _content_type(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"content-type":
            return str(value.decode("latin-1"))
    return ""


async def _answer(send: Send, body: bytes, status: int = 200, content_type: bytes | None = None) -> None:
    headers = _HEADERS if content_type is None else [(b"content-type", content_type)]
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


async def _reset(receive: Receive, send: Send) -> None:
    """Cut the connection with a TCP reset, without an answer."""
    transport = _transport(send)
    linger = struct.pack("ii", 1, 0)  # on, zero seconds: closing sends a reset
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()
    await _gone(receive)


async def _hold(receive: Receive, send: Send, seconds: float) -> None:
    """Say nothing until the caller gives up, or for so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            await _gone(receive)
    except TimeoutError:
        await _reset(receive, send)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _transport(send: Send) -> Any:
    """Return the connection's transport: uvicorn's `send` is a method of the object that holds it."""
    return send.__self__.transport  # type: ignore[attr-defined]
