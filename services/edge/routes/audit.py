"""`GET /audit_log`: a tenant's admin reads who did what; our own tools read it of everybody."""

from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from libs.directory.directory import Directory
from libs.mongo.client import TookTooLong
from libs.web.answers import JsonAnswer
from libs.web.cursors import listing, page_cursor, page_limit
from libs.web.door import Handler
from libs.web.errors import wrong
from services.edge.api_keys import Scope
from services.edge.audit_store import AuditStore, Seen, Wanted
from services.edge.audited import ACTIONS
from services.edge.auth import Caller
from services.edge.errors import SearchTooWide
from services.edge.key_store import KeyStore
from services.edge.queries import PAGE, check_known, moment
from services.edge.routes.endpoint import Endpoint

QUERY = (
    ("action", f"Only this action: {', '.join(ACTIONS)}."),
    ("object", "Only what was done to the thing of this id."),
    ("actor", "Only what this key did, by its id; or `console`, or `meta`."),
    ("from", "At or after this time (RFC 3339)."),
    ("to", "Before this time."),
    *PAGE,
)
OF_ALL = (("tenant", "Whose."), *QUERY)
TOO_WIDE = "There are more entries than one call can look through. Name `from` and `to`, or ask with a live key."
LONGEST = 128  # characters of an id
FIELDS = (
    "at", "tenant", "actor", "address", "action", "object_type", "object_id", "made_id", "count", "detail", "outcome",
    "status", "code", "request_id",
)  # fmt: skip


class AuditRoutes:
    """Reads the log, newest first."""

    def __init__(self, store: AuditStore, keys: KeyStore, directory: Directory) -> None:
        self._store = store
        self._keys = keys
        self._directory = directory

    def endpoints(self, base: str) -> list[Endpoint]:
        """Return the endpoints."""
        words = "List who did what to keys, accounts, numbers, endpoints, bots and settings, newest first."
        return [Endpoint("GET", f"{base}/audit_log", Scope.ADMIN, self.of_tenant, words, query=QUERY)]

    def for_our_tools(self) -> list[tuple[str, str, Handler]]:
        """Return the same call for everybody's entries: method, path after `/internal`, handler."""
        return [("GET", "/audit_log", partial(self._page, known=OF_ALL))]

    async def of_tenant(self, request: Request, caller: Caller) -> Response:
        """List a tenant's; to a key that does not reach all accounts, what its like did, and what was done to these, to
        the tenant and to what is reached.
        """
        reach = await self._directory.reach(caller.tenant, caller.mode)
        if not reach.limited:
            return await self._page(request, caller.tenant)
        likes = await self._keys.ids_of(caller.tenant, caller.mode)
        seen = Seen(likes, [caller.tenant, *likes, *(reach.wabas or ()), *(reach.numbers or ())])
        return await self._page(request, caller.tenant, seen=seen)

    async def _page(
        self, request: Request, tenant: str | None = None, known: tuple[tuple[str, str], ...] = QUERY,
        seen: Seen | None = None,
    ) -> Response:  # fmt: skip
        query = request.query_params
        check_known(query, known)
        if (action := query.get("action")) is not None and action not in ACTIONS:
            raise wrong("action", f"Must be one of {', '.join(ACTIONS)}.")
        for name in ("object", "actor", "tenant"):
            if not 0 < len(query.get(name, "x")) <= LONGEST:
                raise wrong(name, f"Must have 1 to {LONGEST} characters.")
        wanted = Wanted(
            tenant or query.get("tenant"), action, query.get("object"), query.get("actor"), moment(query, "from"),
            moment(query, "to"), seen,
        )  # fmt: skip
        limit, after = page_limit(query.get("limit")), page_cursor(query.get("starting_after"))
        try:
            rows = await self._store.page(wanted, limit + 1, after)
        except TookTooLong:
            raise SearchTooWide(TOO_WIDE) from None
        return JsonAnswer(listing([_shown(row) for row in rows], limit))


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {"id": row["_id"], "object": "audit_entry"} | {name: row.get(name) for name in FIELDS}
