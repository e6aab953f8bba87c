"""Connecting accounts by hand or by Embedded Signup, disconnecting them, and reading accounts and numbers."""

from collections.abc import Coroutine
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, Secret, SecretStr
from starlette.requests import Request
from starlette.responses import Response

from libs.directory.directory import Directory
from libs.directory.reach import Reach
from libs.requests.bodies import GraphId, Pin
from libs.runtime.ids import is_uuid
from libs.web.answers import Answer, JsonAnswer
from libs.web.bodies import parse, read_body
from libs.web.cursors import listing, page_cursor, page_limit
from libs.web.errors import BadRequest, FieldProblem, Invalid, NotFound
from services.edge import views
from services.edge.account_store import AccountStore
from services.edge.api_keys import Scope
from services.edge.auth import Caller
from services.edge.errors import NoSuchAccount
from services.edge.idempotency import IdempotencyGuard, key_of
from services.edge.onboarding import Connected, Onboarding, Wish
from services.edge.onboarding_store import OnboardingStore
from services.edge.routes.endpoint import Endpoint

PIN_WORDS = "The number's two-step PIN, where it has one already: six digits."
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
    pin: Annotated[Pin | None, Field(description=PIN_WORDS)] = None


class ExchangeBody(BaseModel):
    """`POST /onboarding/exchange`: what Embedded Signup gave the browser."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: Annotated[SecretStr, Field(min_length=1, max_length=2048, description="Meta's code: once, for 30 seconds.")]
    phone_number_id: Annotated[GraphId, Field(description="The number to connect, by its Graph id.")]
    waba_id: Annotated[GraphId | None, Field(description="The account, where the person shared several.")] = None
    pin: Annotated[Pin | None, Field(description=PIN_WORDS)] = None


class AccountRoutes:
    """`/onboarding/...`, `/accounts`, and the list of numbers."""

    def __init__(
        self, onboarding: Onboarding, runs: OnboardingStore, store: AccountStore, directory: Directory,
        guard: IdempotencyGuard,
    ) -> None:  # fmt: skip
        self._onboarding = onboarding
        self._runs = runs
        self._store = store
        self._directory = directory
        self._guard = guard

    def endpoints(self, base: str) -> list[Endpoint]:
        """Return the endpoints."""
        return [
            Endpoint(
                "POST", f"{base}/onboarding/manual", Scope.WRITE, self.manual,
                "Connect an account with a system user's token.", body=ManualBody, success=201,
            ),
            Endpoint(
                "POST", f"{base}/onboarding/exchange", Scope.WRITE, self.exchange,
                "Complete Embedded Signup: exchange Meta's code, connect the account.", body=ExchangeBody, success=201,
            ),
            Endpoint(
                "GET", f"{base}/onboarding/{{onboarding_id}}", Scope.READ, self.onboarding,
                "Read which steps an onboarding has passed, and what it failed of.",
            ),
            Endpoint("GET", f"{base}/accounts", Scope.READ, self.accounts, "List connected accounts.", query=PAGE),
            Endpoint("GET", f"{base}/accounts/{{waba_id}}", Scope.READ, self.account, "Read a connected account."),
            Endpoint(
                "DELETE", f"{base}/accounts/{{waba_id}}", Scope.WRITE, self.disconnect,
                "Disconnect an account: nothing is sent any more, its credentials are forgotten.", success=204,
            ),
            Endpoint("GET", f"{base}/phone_numbers", Scope.READ, self.numbers, "List connected numbers.", query=PAGE),
        ]  # fmt: skip

    async def manual(self, request: Request, caller: Caller) -> Response:
        """Connect: 201 at first, 200 when repeated."""
        raw = await read_body(request)
        body = parse(ManualBody, raw)
        wish = Wish(
            caller.tenant, body.phone_number_id, body.waba_id, _plain(body.app_secret), _plain(body.pin), caller.mode
        )
        connect = self._onboarding.manual(wish, body.access_token.get_secret_value())
        return await self._connected(request, caller, raw, connect)

    async def exchange(self, request: Request, caller: Caller) -> Response:
        """Complete Embedded Signup: 201 at first, 200 when repeated."""
        raw = await read_body(request)
        body = parse(ExchangeBody, raw)
        wish = Wish(caller.tenant, body.phone_number_id, body.waba_id, None, _plain(body.pin), caller.mode)
        connect = self._onboarding.exchange(wish, body.code.get_secret_value())
        return await self._connected(request, caller, raw, connect)

    async def onboarding(self, request: Request, caller: Caller) -> Response:
        """Read an onboarding."""
        onboarding_id = request.path_params["onboarding_id"]
        run = await self._runs.get(caller.tenant, onboarding_id) if is_uuid(onboarding_id) else None
        if run is None or ((await self._reach(caller)).limited and not run.get("sandbox", False)):
            raise NotFound("There is no such onboarding.", code="onboarding_not_found", param="onboarding_id")
        return JsonAnswer(views.onboarding(run))

    async def account(self, request: Request, caller: Caller) -> Response:
        """Read one account."""
        row = await self._store.account(caller.tenant, request.path_params["waba_id"])
        if row is None or not (await self._reach(caller)).has_account(row["waba_id"]):
            raise NoSuchAccount("You have no connected account with this id.", param="waba_id")
        return JsonAnswer(views.account(row))

    async def _reach(self, caller: Caller) -> Reach:
        return await self._directory.reach(caller.tenant, caller.mode)

    async def disconnect(self, request: Request, caller: Caller) -> Response:
        """Disconnect an account."""
        await self._onboarding.disconnect(caller.tenant, request.path_params["waba_id"], caller.mode)
        return Answer(status_code=204)

    async def _connected(
        self, request: Request, caller: Caller, raw: bytes, connect: Coroutine[Any, Any, Connected]
    ) -> Response:
        idempotency = key_of(request, raw)

        async def call() -> Response:
            done = await connect
            answer = views.account(done.account) | {
                "onboarding_id": done.onboarding_id, "phone_number": views.number(done.number, done.account),
            }  # fmt: skip
            return JsonAnswer(answer, 201 if done.created else 200)

        try:
            return await self._guard.once(caller.tenant, idempotency, call)
        finally:
            connect.close()  # where an earlier answer stood, it was never begun

    async def accounts(self, request: Request, caller: Caller) -> Response:
        """List accounts, newest first."""
        _pages_only(request)
        limit = page_limit(request.query_params.get("limit"))
        after = page_cursor(request.query_params.get("starting_after"))
        rows = await self._store.accounts(caller.tenant, limit + 1, after, await self._reach(caller))
        return JsonAnswer(listing([views.account(row) for row in rows], limit))

    async def numbers(self, request: Request, caller: Caller) -> Response:
        """List numbers, by id."""
        _pages_only(request)
        limit = page_limit(request.query_params.get("limit"))
        after = request.query_params.get("starting_after")
        if after is not None and not after.isdigit():
            raise BadRequest(
                "starting_after must be the id of the last row of the page before.", param="starting_after"
            )
        rows = await self._store.numbers(caller.tenant, limit + 1, after, await self._reach(caller))
        accounts = await self._store.accounts_of(caller.tenant, (row["waba_id"] for row in rows))
        return JsonAnswer(listing([views.number(row, accounts.get(row["waba_id"])) for row in rows], limit))


def _pages_only(request: Request) -> None:
    if unknown := sorted(set(request.query_params) - {"limit", "starting_after"}):
        words = "This parameter is not known; there are limit, starting_after."
        raise Invalid(f"{unknown[0]}: {words}", code="invalid_field", param=unknown[0],
                      errors=[FieldProblem(unknown[0], words)])  # fmt: skip


def _plain(secret: SecretStr | Secret[str] | None) -> str | None:
    return secret.get_secret_value() if secret else None
