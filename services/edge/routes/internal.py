"""Tenants and keys for our own tools: `/internal`, with the signed identity header only."""

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from libs.web.answers import JsonAnswer
from libs.web.bodies import parse, read_body
from libs.web.door import Handler
from libs.web.errors import Forbidden, Unauthenticated
from libs.web.identity import HEADER, INTERNAL, IdentityRefused, read_identity
from services.edge import views
from services.edge.api_keys import Scope
from services.edge.keys import Keys

Name = Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True)]


class TenantBody(BaseModel):
    """A tenant to make."""

    model_config = ConfigDict(extra="forbid")

    name: Name


class KeyBody(BaseModel):
    """A key to make."""

    model_config = ConfigDict(extra="forbid")

    tenant: str
    scopes: Annotated[list[Scope], Field(min_length=1)]
    mode: Literal["live", "test"] = "live"
    name: Name = "key"
    expires_in: Annotated[int | None, Field(ge=60, description="Seconds.")] = None


class RollBody(BaseModel):
    """How long the old key stays valid beside the new one."""

    model_config = ConfigDict(extra="forbid")

    overlap_seconds: Annotated[int, Field(ge=0, le=30 * 24 * 3600)] = 24 * 3600


class InternalRoutes:
    """Makes, lists, rolls and revokes keys; makes and lists tenants."""

    def __init__(self, keys: Keys, internal_secret: str) -> None:
        self._keys = keys
        self._secret = internal_secret

    def register(self, api: FastAPI) -> None:
        """Add the routes; they are not part of the public document."""
        table: list[tuple[str, str, Handler]] = [
            ("POST", "/internal/tenants", self.add_tenant),
            ("GET", "/internal/tenants", self.tenants),
            ("POST", "/internal/keys", self.add_key),
            ("GET", "/internal/keys", self.list_keys),
            ("POST", "/internal/keys/{key_id}/roll", self.roll),
            ("POST", "/internal/keys/{key_id}/revoke", self.revoke),
        ]
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
            return await handler(request)

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
        body = parse(KeyBody, await read_body(request))
        life = timedelta(seconds=body.expires_in) if body.expires_in else None
        text, row = await self._keys.create(body.tenant, body.scopes, body.mode, body.name, life)
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
