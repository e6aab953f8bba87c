"""`/dead_letters`: a tenant's admin looks at records that could not be handled, replays or discards them."""

import base64
import codecs
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from libs.kafka.dead_letter_reader import DeadLetter
from libs.web.answers import JsonAnswer
from libs.web.bodies import parse, read_body
from libs.web.cursors import listing, page_limit
from libs.web.door import Handler
from services.edge.api_keys import Scope
from services.edge.auth import Caller
from services.edge.common_things import CommonThings
from services.edge.dead_letter_choice import (
    DISCARDED,
    OPEN,
    REPLAYED,
    STATES,
    Choice,
    ChoiceBody,
    DiscardBody,
    DiscardManyBody,
    ReplayManyBody,
)
from services.edge.dead_letters import DeadLetters, Settled
from services.edge.idempotency import IdempotencyGuard, key_of
from services.edge.key_bodies import NothingBody
from services.edge.queries import PAGE, check_known, moment
from services.edge.routes.endpoint import CallerHandler, Endpoint

SHOWN = 64 * 1024  # bytes of a value that an answer shows
QUERY = (
    ("topic", "Only this dead-letter topic, for example `messages.requested.v1.edge.dlt`."),
    ("reason", "What they died of, for example `handler_failed`."),
    ("error", "Words in their error."),
    ("from", "Buried at or after this time (RFC 3339)."),
    ("to", "Buried before this time."),
    ("state", f"{', '.join(STATES)}; default {OPEN}."),
    *PAGE,
)

Call = Callable[[Request, str | None, bytes], Awaitable[Response]]


class DeadLetterRoutes:
    """Calls around dead letters: of admin keys for their tenant's, of our own tools for everybody's."""

    def __init__(self, letters: DeadLetters, guard: IdempotencyGuard, common: CommonThings) -> None:
        self._letters = letters
        self._common = common
        self._guard = guard

    def endpoints(self, base: str) -> list[Endpoint]:
        """Return the endpoints."""
        of, all_of = self._for_tenant, f"{base}/dead_letters"
        one = f"{all_of}/{{dead_letter_id}}"
        return [
            Endpoint(
                "GET", all_of, Scope.ADMIN, of(self.page),
                "List records that could not be handled, newest first.", query=QUERY,
            ),
            Endpoint(
                "POST", f"{all_of}/replay", Scope.ADMIN, of(self.replay_many),
                "Put all open dead letters that match back where they came from.", body=ReplayManyBody,
                body_needed=False,
            ),
            Endpoint(
                "POST", f"{all_of}/discard", Scope.ADMIN, of(self.discard_many),
                "Let nothing become of all open dead letters that match.", body=DiscardManyBody,
            ),
            Endpoint("GET", one, Scope.ADMIN, of(self.get), "Read a dead letter: its story, its headers, its value."),
            Endpoint(
                "POST", f"{one}/replay", Scope.ADMIN, of(self.replay), "Put a dead letter back where it came from.",
                body=NothingBody, body_needed=False,
            ),
            Endpoint(
                "POST", f"{one}/discard", Scope.ADMIN, of(self.discard), "Let nothing become of a dead letter.",
                body=DiscardBody, body_needed=False,
            ),
        ]  # fmt: skip

    def for_our_tools(self) -> list[tuple[str, str, Handler]]:
        """Return the same calls for everybody's dead letters: method, path after `/internal`, handler."""
        table: list[tuple[str, str, Call]] = [
            ("GET", "/dead_letters", self.page),
            ("POST", "/dead_letters/replay", self.replay_many),
            ("POST", "/dead_letters/discard", self.discard_many),
            ("GET", "/dead_letters/{dead_letter_id}", self.get),
            ("POST", "/dead_letters/{dead_letter_id}/replay", self.replay),
            ("POST", "/dead_letters/{dead_letter_id}/discard", self.discard),
        ]
        return [(method, path, partial(_of_everybody, call)) for method, path, call in table]

    def _for_tenant(self, call: Call) -> CallerHandler:
        async def handle(request: Request, caller: Caller) -> Response:
            await self._common.check(caller)  # a letter does not say which of the tenant's accounts it is about
            if request.method == "GET":
                return await call(request, caller.tenant, b"")
            raw = await read_body(request)
            return await self._guard.once(
                caller.tenant, key_of(request, raw), lambda: call(request, caller.tenant, raw)
            )  # fmt: skip

        return handle

    async def page(self, request: Request, tenant: str | None, _: bytes) -> Response:
        """List dead letters."""
        query = request.query_params
        check_known(query, QUERY)
        limit = page_limit(query.get("limit"))
        choice = Choice(
            tenant, query.get("topic"), query.get("reason"), query.get("error"), moment(query, "from"),
            moment(query, "to"), query.get("state", OPEN),
        )  # fmt: skip
        rows = await self._letters.page(choice, limit + 1, query.get("starting_after"))
        return JsonAnswer(listing([_summary(letter) | {"state": choice.state} for letter in rows], limit))

    async def get(self, request: Request, tenant: str | None, _: bytes) -> Response:
        """Read one dead letter."""
        letter, note = await self._letters.get(tenant, request.path_params["dead_letter_id"])
        whole = {"headers": _headers(letter), "record_key": _shown(letter.record.key)}
        return JsonAnswer(_summary(letter) | _state(note) | whole | {"value": _shown(letter.record.value)})

    async def replay(self, request: Request, tenant: str | None, raw: bytes) -> Response:
        """Replay one."""
        parse(NothingBody, raw or b"{}")
        letter, note = await self._letters.replay(tenant, request.path_params["dead_letter_id"])
        return JsonAnswer(_summary(letter) | _state(note))

    async def discard(self, request: Request, tenant: str | None, raw: bytes) -> Response:
        """Discard one."""
        body = parse(DiscardBody, raw or b"{}")
        letter, note = await self._letters.discard(tenant, request.path_params["dead_letter_id"], body.why)
        return JsonAnswer(_summary(letter) | _state(note))

    async def replay_many(self, _: Request, tenant: str | None, raw: bytes) -> Response:
        """Replay all that match."""
        body = parse(ReplayManyBody, raw or b"{}")
        done = await self._letters.replay_all(
            _choice(tenant, body), body.limit, body.starting_after, dry_run=body.dry_run
        )
        return JsonAnswer(_done(REPLAYED, done, body.dry_run) | {"without_source": done.without_source})

    async def discard_many(self, _: Request, tenant: str | None, raw: bytes) -> Response:
        """Discard all that match."""
        body = parse(DiscardManyBody, raw or b"{}")
        done = await self._letters.discard_all(
            _choice(tenant, body), body.limit, body.starting_after, body.why, dry_run=body.dry_run
        )
        return JsonAnswer(_done(DISCARDED, done, body.dry_run))


async def _of_everybody(call: Call, request: Request) -> Response:
    return await call(request, None, await read_body(request))


def _choice(tenant: str | None, body: ChoiceBody) -> Choice:
    return Choice(tenant, body.topic, body.reason, body.error, body.since, body.until)


def _done(state: str, done: Settled, dry_run: bool) -> dict[str, Any]:
    return {
        "object": "dead_letter_batch", "matched": done.matched, state: done.settled,
        "has_more": done.reached is not None, "reached": done.reached, "dry_run": dry_run,
    }  # fmt: skip


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
        "replays": letter.replays,
    }


def _state(note: dict[str, Any] | None) -> dict[str, Any]:
    if note is None:
        return {"state": OPEN, "settled_at": None, "discard_reason": None}
    return {"state": note["state"], "settled_at": note["at"], "discard_reason": note.get("why")}


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
