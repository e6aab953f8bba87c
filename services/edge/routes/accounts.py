"""Connecting accounts by hand, and reading accounts and numbers."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from starlette.requests import Request
from starlette.responses import Response

from libs.web.answers import JsonAnswer
from libs.web.bodies import parse, read_body
from libs.web.cursors import listing, page_cursor, page_limit
from libs.web.errors import BadRequest
from services.edge import views
from services.edge.account_store import AccountStore
from services.edge.api_keys import Scope
from services.edge.auth import Caller
from services.edge.bodies import GraphId
from services.edge.idempotency import IdempotencyGuard, key_of
from services.edge.onboarding import Onboarding
from services.edge.routes.endpoint import Endpoint

PAGE = (("limit", "1 to 100, default 20."), ("starting_after", "Id of the last row of the page before."))


class ManualBody(BaseModel):
    """`POST /onboarding/manual`: a WABA and one of its numbers, with a system user's token."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    waba_id: Annotated[GraphId, Field(description="The WhatsApp Business Account, by its Graph id.")]
    phone_number_id: Annotated[GraphId, Field(description="The number to connect, by its Graph id.")]
    access_token: Annotated[SecretStr, Field(min_length=1, max_length=1024, description="A system user's token.")]
    app_secret: Annotated[
        SecretStr | None, Field(min_length=1, max_length=256, description="Secret of the token's app, if not ours.")
    ] = None


class AccountRoutes:
    """`POST /onboarding/manual`, `GET /accounts`, `GET /phone_numbers`."""

    def __init__(self, onboarding: Onboarding, store: AccountStore, guard: IdempotencyGuard) -> None:
        self._onboarding = onboarding
        self._store = store
        self._guard = guard

    def endpoints(self, base: str) -> list[Endpoint]:
        """Return the endpoints."""
        return [
            Endpoint(
                "POST", f"{base}/onboarding/manual", Scope.WRITE, self.manual,
                "Connect an account with a system user's token.", body=ManualBody, success=201,
            ),
            Endpoint("GET", f"{base}/accounts", Scope.READ, self.accounts, "List connected accounts.", query=PAGE),
            Endpoint("GET", f"{base}/phone_numbers", Scope.READ, self.numbers, "List connected numbers.", query=PAGE),
        ]  # fmt: skip

    async def manual(self, request: Request, caller: Caller) -> Response:
        """Connect: 201 at first, 200 when repeated."""
        raw = await read_body(request)
        body = parse(ManualBody, raw)
        idempotency = key_of(request.headers, "POST", request.scope["path"], raw)

        async def connect() -> Response:
            secret = body.app_secret.get_secret_value() if body.app_secret else None
            account, number, created = await self._onboarding.manual(
                caller.tenant, body.waba_id, body.phone_number_id, body.access_token.get_secret_value(), secret
            )
            answer = views.account(account) | {"phone_number": views.number(number | {"waba_id": body.waba_id})}
            return JsonAnswer(answer, 201 if created else 200)

        return await self._guard.once(caller.tenant, idempotency, connect)

    async def accounts(self, request: Request, caller: Caller) -> Response:
        """List accounts, newest first."""
        limit = page_limit(request.query_params.get("limit"))
        after = page_cursor(request.query_params.get("starting_after"))
        rows = await self._store.accounts(caller.tenant, limit + 1, after)
        return JsonAnswer(listing([views.account(row) for row in rows], limit))

    async def numbers(self, request: Request, caller: Caller) -> Response:
        """List numbers, by id."""
        limit = page_limit(request.query_params.get("limit"))
        after = request.query_params.get("starting_after")
        if after is not None and not after.isdigit():
            raise BadRequest(
                "starting_after must be the id of the last row of the page before.", param="starting_after"
            )
        rows = await self._store.numbers(caller.tenant, limit + 1, after)
        return JsonAnswer(listing([views.number(row) for row in rows], limit))
