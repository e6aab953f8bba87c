"""The audit log: who did what to keys, tenants, accounts, numbers, endpoints, bots, and what became of it.

The guarantee: an entry stands, on a majority and journaled, before the action begins, so nothing is done that is not in
the log, and no answer is given before its entry is. It is closed with the outcome before the answer; where that cannot
be written (MongoDB went away, the process died) it stays there as `unclear`. A call whose key was refused did nothing,
and is not in it.
"""

import contextlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from libs.mongo.client import MongoUnavailable
from libs.runtime.clock import Clock
from libs.runtime.ids import derived_time_id, new_id
from libs.web.errors import ApiError, OutcomeUnclear
from services.edge.addresses import CallerAddress
from services.edge.audit_store import UNCLEAR, AuditStore
from services.edge.audited import AUDITED, audited
from services.edge.errors import SandboxOnly
from services.edge.idempotency import REPLAYED

BASE = "/api/v1/whatsapp"
CONSOLE, META = "console", "meta"  # actors that are no key
OURS = re.compile(r"[\w.:-]{1,128}", re.ASCII)  # forms of our ids and Graph's; a phone number with a plus is none

log = structlog.get_logger()

Document = dict[str, Any]


class AuditTrail:
    """Runs calls and writes down those that are audited."""

    def __init__(self, store: AuditStore, addresses: CallerAddress, clock: Clock) -> None:
        self._store = store
        self._addresses = addresses
        self._clock = clock

    @staticmethod
    def has(method: str, path: str) -> bool:
        """Tell whether calls of a path, as it is declared, are in the log."""
        return f"{method} {path.removeprefix(BASE)}" in AUDITED

    async def noted(
        self, request: Request, actor: str, tenant: str | None, call: Callable[[], Awaitable[Response]]
    ) -> Response:
        """Make a call of a caller who may; raises what it raises, and MongoUnavailable before it began."""
        path = request.scope["path"]
        found = audited(request.method, path.removeprefix(BASE))
        if found is None:
            return await call()
        what, named = found
        entry_id = await self._begin({
            "tenant": tenant, "actor": actor, "address": _text(self._addresses.of(request)), "action": what.action,
            "object_type": what.kind, "object_id": named if named and OURS.fullmatch(named) else None,
            "request_id": request.scope.get("wabus.request_id"),
        })  # fmt: skip
        try:
            answer = await _whole(await call())
        except ApiError as refusal:
            await self._close(entry_id, _outcome(refusal.status), refusal.status, code=refusal.public_code)
            raise
        made = _made(answer, what.made)
        facts: Document = {} if tenant else {"tenant": made["id"] if what.kind == "tenant" else made["tenant"]}
        if named is None or made["id"] not in (None, named):
            facts["object_id" if named is None else "made_id"] = made["id"]
        if made["count"] is not None:
            facts["count"] = made["count"]
        outcome = "dry_run" if made["dry_run"] else _outcome(answer.status_code)
        outcome = "repeated" if REPLAYED in answer.headers else outcome
        await self._close(entry_id, outcome, answer.status_code, **facts | {"code": made["code"]})
        return answer

    async def meta_said(
        self, tenant: str, action: str, object_id: str, detail: str, at: datetime, *identity: str
    ) -> None:
        """Write down what Meta did to an account or a number; the same word of Meta's (`identity`) is one entry."""
        kind = action.partition(".")[0]
        entry_id = derived_time_id(at, "audit", action, object_id, *identity)
        entry = {"tenant": tenant, "actor": META, "action": action, "object_type": kind, "object_id": object_id}
        await self._store.add(entry | {"_id": entry_id, "at": at, "detail": detail, "outcome": "done"})

    async def _begin(self, entry: Document) -> str:
        entry_id = new_id()
        await self._store.add({"_id": entry_id, "at": self._clock.now(), **entry, "outcome": UNCLEAR})
        return entry_id

    async def _close(self, entry_id: str, outcome: str, status: int, **facts: Any) -> None:
        if status == 404 or facts.get("code") == SandboxOnly.code:
            # Nobody has such a thing, or nobody looked: what was named may be anything, a person's number too.
            facts["object_id"] = None
        try:
            await self._store.close(entry_id, {"outcome": outcome, "status": status, **facts})
        except MongoUnavailable:
            log.warning("audit_entry_left_unclear", entry_id=entry_id)


def _outcome(status: int) -> str:
    if status == OutcomeUnclear.status:
        return UNCLEAR
    return "done" if status < 400 else "refused" if status < 500 else "failed"


async def _whole(answer: Response) -> Response:
    """Return a streamed answer with its body: that of an audited call is small."""
    if not isinstance(answer, StreamingResponse):
        return answer
    body = b"".join([bytes(chunk) async for chunk in answer.body_iterator if not isinstance(chunk, str)])
    return Response(body, answer.status_code, dict(answer.headers))


def _made(answer: Response, field: str) -> Document:
    """Return what an answer says of the thing that was made, how many there were, and why nothing was done."""
    said: Mapping[str, Any] = {}
    with contextlib.suppress(ValueError):
        read = json.loads(bytes(answer.body) or b"{}")
        said = read if isinstance(read, Mapping) else {}
    error = said.get("error")
    counts = [said[name] for name in ("replayed", "discarded") if isinstance(said.get(name), int)]
    return {
        "id": said.get(field), "tenant": said.get("tenant"), "count": counts[0] if counts else None,
        "code": error.get("code") if isinstance(error, Mapping) else None, "dry_run": said.get("dry_run") is True,
    }  # fmt: skip


def _text(address: object) -> str | None:
    return None if address is None else str(address)
