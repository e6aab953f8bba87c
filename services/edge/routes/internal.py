"""What only our own tools may call: `/internal`, with the signed identity header only."""

from collections.abc import Iterable
from datetime import timedelta

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response

from libs.runtime.clock import Clock
from libs.web.answers import JsonAnswer
from libs.web.bodies import parse, read_body
from libs.web.door import Handler
from libs.web.errors import Forbidden, Unauthenticated
from libs.web.identity import HEADER, INTERNAL, IdentityRefused, read_identity
from services.edge import views
from services.edge.audit import CONSOLE, AuditTrail
from services.edge.key_bodies import InternalKeyBody, Name, RollBody
from services.edge.keys import Keys, KeyWish


class TenantBody(BaseModel):
    """A tenant to make."""

    model_config = ConfigDict(extra="forbid")

    name: Name


class InternalRoutes:
    """Makes, lists, rolls and revokes keys; makes and lists tenants."""

    def __init__(self, keys: Keys, trail: AuditTrail, clock: Clock, internal_secret: str) -> None:
        self._keys = keys
        self._trail = trail
        self._clock = clock
        self._secret = internal_secret

    def register(self, api: FastAPI, more: Iterable[tuple[str, str, Handler]] = ()) -> None:
        """Add the routes, and more of them (method, path after `/internal`, handler); no public document has them."""
        table: list[tuple[str, str, Handler]] = [
            ("POST", "/internal/tenants", self.add_tenant),
            ("GET", "/internal/tenants", self.tenants),
            ("POST", "/internal/keys", self.add_key),
            ("GET", "/internal/keys", self.list_keys),
            ("POST", "/internal/keys/{key_id}/roll", self.roll),
            ("POST", "/internal/keys/{key_id}/revoke", self.revoke),
        ]
        table += [(method, f"/internal{path}", handler) for method, path, handler in more]
        for method, path, handler in table:
            api.add_route(path, self._guarded(handler), methods=[method], include_in_schema=False)

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: Request) -> Response:
            try:
                identity = read_identity(self._secret, request.headers.get(HEADER))
            except IdentityRefused:
                raise Unauthenticated("This is for our own tools.", code="no_identity") from None
            if INTERNAL not in identity.scopes:
                raise Forbidden("This is for our own tools.")
            return await self._trail.noted(request, CONSOLE, None, lambda: handler(request))

        return guarded

    async def add_tenant(self, request: Request) -> Response:
        """Make a tenant."""
        body = parse(TenantBody, await read_body(request))
        return JsonAnswer(views.tenant(await self._keys.add_tenant(body.name)), 201)

    async def tenants(self, _: Request) -> Response:
        """List tenants."""
        rows = [views.tenant(row) for row in await self._keys.tenants()]
        return JsonAnswer({"object": "list", "data": rows, "has_more": False})

    async def add_key(self, request: Request) -> Response:
        """Make a key; the answer is the only place where it stands in the clear."""
        body = parse(InternalKeyBody, await read_body(request))
        wish = KeyWish(
            body.name, body.mode, body.scopes, body.expires_at(self._clock.now()), body.allowed_addresses,
            body.rate_per_second,
        )  # fmt: skip
        text, row = await self._keys.create(body.tenant, wish)
        return JsonAnswer(views.key(row) | {"key": text}, 201)

    async def list_keys(self, request: Request) -> Response:
        """List a tenant's keys."""
        rows = [views.key(row) for row in await self._keys.list(request.query_params.get("tenant", ""))]
        return JsonAnswer({"object": "list", "data": rows, "has_more": False})

    async def roll(self, request: Request) -> Response:
        """Make a key's successor; the old one stays valid for the overlap."""
        raw = await read_body(request)
        body = parse(RollBody, raw or b"{}")
        overlap = timedelta(seconds=body.overlap_seconds)
        text, row = await self._keys.roll(request.path_params["key_id"], overlap)
        return JsonAnswer(views.key(row) | {"key": text}, 201)

    async def revoke(self, request: Request) -> Response:
        """End a key now; it is dead everywhere within five seconds."""
        return JsonAnswer(views.key(await self._keys.revoke(request.path_params["key_id"])))
