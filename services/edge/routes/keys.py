"""`/keys`: a tenant's admin makes, lists, rolls and revokes the tenant's keys."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from libs.web.answers import JsonAnswer
from libs.web.bodies import parse, read_body
from libs.web.cursors import listing, page_limit
from services.edge import views
from services.edge.api_keys import Scope
from services.edge.auth import Caller
from services.edge.idempotency import IdempotencyGuard, key_of
from services.edge.key_bodies import KeyBody, NothingBody, RollBody
from services.edge.keys import Giver, Keys, KeyWish
from services.edge.routes.endpoint import Endpoint

PAGE = (("limit", "1 to 100, default 20."), ("starting_after", "Id of the last row of the page before."))


class KeyRoutes:
    """Calls of admin keys around the keys of their tenant."""

    def __init__(self, keys: Keys, guard: IdempotencyGuard) -> None:
        self._keys = keys
        self._guard = guard

    def endpoints(self, base: str) -> list[Endpoint]:
        """Return the endpoints."""
        one = f"{base}/keys/{{key_id}}"
        return [
            Endpoint(
                "POST", f"{base}/keys", Scope.ADMIN, self.create, "Make a key: the answer shows it, once.",
                body=KeyBody, success=201,
            ),
            Endpoint("GET", f"{base}/keys", Scope.ADMIN, self.page, "List keys, newest first.", query=PAGE),
            Endpoint("GET", one, Scope.ADMIN, self.get, "Read a key: never its secret."),
            Endpoint(
                "POST", f"{one}/roll", Scope.ADMIN, self.roll, "Make a key's successor: the answer shows it, once.",
                body=RollBody, body_needed=False, success=201,
            ),
            Endpoint(
                "POST", f"{one}/revoke", Scope.ADMIN, self.revoke, "End a key: dead everywhere within five seconds.",
                body=NothingBody, body_needed=False,
            ),
        ]  # fmt: skip

    async def create(self, request: Request, caller: Caller) -> Response:
        """Make a key."""
        raw = await read_body(request)
        body = parse(KeyBody, raw)
        wish = KeyWish(
            body.name, body.mode or caller.mode, body.scopes, body.expires_at, body.allowed_addresses,
            body.rate_per_second,
        )  # fmt: skip

        async def make() -> Response:
            text, row = await self._keys.create(caller.tenant, wish, _giver(caller))
            return JsonAnswer(views.key(row) | {"key": text}, 201)

        return await self._once(request, caller, raw, make)

    async def page(self, request: Request, caller: Caller) -> Response:
        """List keys."""
        limit = page_limit(request.query_params.get("limit"))
        rows = await self._keys.page(_giver(caller), limit + 1, request.query_params.get("starting_after"))
        return JsonAnswer(listing([views.key(row) for row in rows], limit))

    async def get(self, request: Request, caller: Caller) -> Response:
        """Read one key."""
        return JsonAnswer(views.key(await self._keys.get(request.path_params["key_id"], _giver(caller))))

    async def roll(self, request: Request, caller: Caller) -> Response:
        """Make a key's successor."""
        raw = await read_body(request)
        overlap = timedelta(seconds=parse(RollBody, raw or b"{}").overlap_seconds)

        async def succeed() -> Response:
            text, row = await self._keys.roll(request.path_params["key_id"], overlap, _giver(caller))
            return JsonAnswer(views.key(row) | {"key": text}, 201)

        return await self._once(request, caller, raw, succeed)

    async def revoke(self, request: Request, caller: Caller) -> Response:
        """End a key."""
        raw = await read_body(request)
        parse(NothingBody, raw or b"{}")

        async def end() -> Response:
            return JsonAnswer(views.key(await self._keys.revoke(request.path_params["key_id"], _giver(caller))))

        return await self._once(request, caller, raw, end)

    async def _once(
        self, request: Request, caller: Caller, raw: bytes, call: Callable[[], Awaitable[Response]]
    ) -> Response:
        return await self._guard.once(caller.tenant, key_of(request, raw), call)


def _giver(caller: Caller) -> Giver:
    return Giver(caller.tenant, caller.mode, caller.scopes)
