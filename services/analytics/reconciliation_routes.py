"""The REST side of the comparison with Meta."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from libs.directory.directory import Directory
from libs.runtime.clock import Clock
from libs.web.answers import JsonAnswer
from libs.web.calls import PAGE, READ, Call
from libs.web.cursors import listing, page_cursor, page_limit
from libs.web.identity import Identity
from services.analytics import queries
from services.analytics.queries import SPAN, described
from services.analytics.reconciliation_store import ReconciliationStore
from services.analytics.routes import whose_of
from services.analytics.service import Analyst
from services.analytics.sums_store import Whose

WABA = {"waba_id": "One of your accounts."}
DAY = ("waba_id", "start", "end", "complete", "compared_at", "currency", "entries")

Document = dict[str, Any]


class ReconciliationRoutes:
    """`/analytics/costs/reconciliation`."""

    def __init__(self, analyst: Analyst, store: ReconciliationStore, directory: Directory, clock: Clock) -> None:
        self._analyst = analyst
        self._store = store
        self._directory = directory
        self._clock = clock

    def calls(self) -> list[Call]:
        """Return the call."""
        return [
            Call("GET", "/costs/reconciliation", READ, self.days,
                 "What we count against what Meta says it charged, by account, day and price category, newest first.",
                 query=described(SPAN, WABA, PAGE)),
        ]  # fmt: skip

    async def days(self, request: Request, caller: Identity) -> Response:
        """List days, and say of each account when it was compared last."""
        query, whose = queries.asked(request.query_params), await whose_of(self._directory, caller)
        limit, after = page_limit(query.get("limit")), page_cursor(query.get("starting_after"))
        span, waba_id = queries.span_of(query, self._clock.now()), query.get("waba_id")
        as_of, wanted = await self._analyst.as_of(), {"waba_id": waba_id} if waba_id is not None else {}
        within = {"start": {"$gte": span.start, "$lt": span.end}} if span is not None else {}
        rows = await self._store.newest(whose, wanted | within, limit + 1, after)
        shown = [{"id": row["_id"], "object": "reconciliation_day"} | {name: row[name] for name in DAY} for row in rows]
        accounts = [it for it in await self._accounts(whose) if waba_id in (None, it["waba_id"])]
        return JsonAnswer(listing(shown, limit) | {"as_of": as_of, "accounts": accounts})

    async def _accounts(self, whose: Whose) -> list[Document]:
        turns = {row["waba_id"]: row for row in await self._store.turns(whose.tenant)}
        reached = filter(whose.reach.has_account, await self._directory.wabas_of(whose.tenant))
        known = {waba_id: turns.get(waba_id, {}) for waba_id in sorted(reached)}
        return [
            {"waba_id": waba_id, "compared_at": turn.get("compared_at"), "error": turn.get("error")}
            for waba_id, turn in known.items()
        ]  # fmt: skip
