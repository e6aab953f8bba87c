"""`/dead_letters`: a tenant's admin looks at records that could not be handled, replays or discards them."""

import base64
import codecs
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from libs.kafka.dead_letter_reader import DeadLetter
from libs.web.answers import JsonAnswer
from libs.web.bodies import parse, read_body
from libs.web.cursors import listing, page_limit
from services.edge.api_keys import Scope
from services.edge.auth import Caller
from services.edge.dead_letters import OPEN, STATES, DeadLetters
from services.edge.idempotency import IdempotencyGuard, key_of
from services.edge.key_bodies import NothingBody
from services.edge.routes.endpoint import Endpoint

SHOWN = 64 * 1024  # bytes of a value that an answer shows
QUERY = (
    ("topic", "Only this dead-letter topic, for example `messages.requested.v1.edge.dlt`."),
    ("state", f"{', '.join(STATES)}; default {OPEN}."),
    ("limit", "1 to 100, default 20."),
    ("starting_after", "Id of the last row of the page before."),
)

Act = Callable[[str, str], Awaitable[tuple[DeadLetter, dict[str, Any]]]]


class DeadLetterRoutes:
    """Calls of admin keys around the dead letters of their tenant."""

    def __init__(self, letters: DeadLetters, guard: IdempotencyGuard) -> None:
        self._letters = letters
        self._guard = guard

    def endpoints(self, base: str) -> list[Endpoint]:
        """Return the endpoints."""
        one = f"{base}/dead_letters/{{dead_letter_id}}"
        return [
            Endpoint(
                "GET", f"{base}/dead_letters", Scope.ADMIN, self.page,
                "List records that could not be handled, newest first.", query=QUERY,
            ),
            Endpoint("GET", one, Scope.ADMIN, self.get, "Read a dead letter: its story, its headers, its value."),
            Endpoint(
                "POST", f"{one}/replay", Scope.ADMIN, self.replay, "Put a dead letter back where it came from.",
                body=NothingBody, body_needed=False,
            ),
            Endpoint(
                "POST", f"{one}/discard", Scope.ADMIN, self.discard, "Let nothing become of a dead letter.",
                body=NothingBody, body_needed=False,
            ),
        ]  # fmt: skip

    async def page(self, request: Request, caller: Caller) -> Response:
        """List dead letters."""
        query = request.query_params
        limit, state = page_limit(query.get("limit")), query.get("state", OPEN)
        rows = await self._letters.page(
            caller.tenant, query.get("topic"), state, limit + 1, query.get("starting_after")
        )
        return JsonAnswer(listing([_summary(letter) | {"state": state} for letter in rows], limit))

    async def get(self, request: Request, caller: Caller) -> Response:
        """Read one dead letter."""
        letter, note = await self._letters.get(caller.tenant, request.path_params["dead_letter_id"])
        whole = {"headers": _headers(letter), "record_key": _shown(letter.record.key)}
        return JsonAnswer(_summary(letter) | _state(note) | whole | {"value": _shown(letter.record.value)})

    async def replay(self, request: Request, caller: Caller) -> Response:
        """Replay one."""
        return await self._settle(request, caller, self._letters.replay)

    async def discard(self, request: Request, caller: Caller) -> Response:
        """Discard one."""
        return await self._settle(request, caller, self._letters.discard)

    async def _settle(self, request: Request, caller: Caller, act: Act) -> Response:
        raw = await read_body(request)
        parse(NothingBody, raw or b"{}")

        async def settle() -> Response:
            letter, note = await act(caller.tenant, request.path_params["dead_letter_id"])
            return JsonAnswer(_summary(letter) | _state(note))

        idempotency = key_of(request, raw)
        return await self._guard.once(caller.tenant, idempotency, settle)


def _summary(letter: DeadLetter) -> dict[str, Any]:
    source = {"topic": letter.topic, "partition": letter.partition, "offset": letter.offset}
    return {
        "id": letter.place,
        "object": "dead_letter",
        "topic": letter.record.topic,
        "at": datetime.fromtimestamp(letter.record.timestamp / 1000, UTC),
        "reason": letter.reason,
        "error": letter.error,
        "source": source,
        "attempts": letter.attempts,
        "first_seen": letter.first_seen,
        "service": letter.service,
        "group": letter.group,
        "schema": letter.schema,
    }


def _state(note: dict[str, Any] | None) -> dict[str, Any]:
    return {"state": note["state"] if note else OPEN, "settled_at": note["at"] if note else None}


def _headers(letter: DeadLetter) -> list[dict[str, Any]]:
    """Return the record's own headers in their order: a name may come twice."""
    return [{"name": name, "value": _shown(value)} for name, value in letter.original().headers]


def _shown(value: bytes | None) -> dict[str, Any] | None:
    """Return bytes as text where they are text, else in base64; at most `SHOWN` of them."""
    if value is None:
        return None
    cut = value[:SHOWN]
    shown: dict[str, Any] = {"bytes": len(value), "truncated": len(value) > SHOWN}
    try:  # only its end may be in the middle of a letter
        text = codecs.getincrementaldecoder("utf-8")().decode(cut, final=len(value) <= SHOWN)
    except UnicodeDecodeError:
        return shown | {"encoding": "base64", "data": base64.b64encode(cut).decode()}
    return shown | {"encoding": "text", "data": text}
