"""The notifier's REST side, reached through edge only."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from libs.web.answers import Answer, JsonAnswer
from libs.web.bodies import parse, read_body
from libs.web.cursors import listing, page_cursor, page_limit
from libs.web.errors import FieldProblem, Forbidden, Invalid, Unauthenticated
from libs.web.identity import HEADER, IdentityRefused, read_identity
from services.notifier import views
from services.notifier.bodies import Body, CreateBody, EmptyBody, ReplayBody, RotateBody, UpdateBody
from services.notifier.domain import DeliveryState
from services.notifier.endpoints import Endpoints

READ, WRITE = "whatsapp:read", "whatsapp:write"
ONE = "/{endpoint_id}"
PAGE = (("limit", "1 to 100, default 20."), ("starting_after", "Id of the last row of the page before."))
STATES = ", ".join(DeliveryState)


@dataclass(frozen=True, slots=True)
class Call:
    """One call: what it needs and how it is described; the handler is told the tenant."""

    method: str
    path: str
    scope: str
    handler: Callable[[Request, str], Awaitable[Response]]
    summary: str
    success: int = 200
    body: type[Body] | None = None
    query: Sequence[tuple[str, str]] = ()

    @property
    def name(self) -> str:
        """Its name in clients that are made of the document."""
        path = self.path.replace("/", "_").replace("{", "").replace("}", "")
        return f"{self.method.lower()}_webhook_endpoints{path}"

    def described(self) -> dict[str, Any]:
        """Return what its document says beside the summary."""
        said: dict[str, Any] = {"security": [{"key": []}], "x-scope": self.scope}
        if self.body is not None:
            schema = self.body.model_json_schema()
            required = bool(schema.get("required"))
            said["requestBody"] = {"required": required, "content": {"application/json": {"schema": schema}}}
        said["parameters"] = [
            {"name": name, "in": "query", "required": False, "schema": {"type": "string"}, "description": words}
            for name, words in self.query
        ] + [
            {"name": part[1:-1], "in": "path", "required": True, "schema": {"type": "string"}}
            for part in self.path.split("/")
            if part.startswith("{")
        ]
        if self.method == "POST":
            said["parameters"].append(_IDEMPOTENCY)
        return said


_IDEMPOTENCY = {
    "name": "Idempotency-Key", "in": "header", "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "Same key and body: the first answer again.",
}  # fmt: skip
_REFUSED: dict[str, Any] = {"content": {"application/json": {}}}
REFUSALS: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "Refused; the body is the error object.", **_REFUSED},
    "5XX": {"description": "Not processed; the body is the error object.", **_REFUSED},
}


class EndpointRoutes:
    """`/webhook_endpoints` and what is below."""

    def __init__(self, endpoints: Endpoints, internal_secret: str) -> None:
        self._endpoints = endpoints
        self._secret = internal_secret

    def calls(self) -> list[Call]:
        """Return all calls."""
        status = ("status", f"Only deliveries in this state: {STATES}.")
        deliveries = f"{ONE}/deliveries"
        return [
            Call("POST", "", WRITE, self.create, "Make a webhook endpoint; its secret is shown once.", 201, CreateBody),
            Call("GET", "", READ, self.page, "List webhook endpoints, newest first.", query=PAGE),
            Call("GET", ONE, READ, self.get, "Read a webhook endpoint."),
            Call("PATCH", ONE, WRITE, self.update, "Change a webhook endpoint.", 200, UpdateBody),
            Call("DELETE", ONE, WRITE, self.remove, "Delete a webhook endpoint with its deliveries.", 204),
            Call("POST", f"{ONE}/test", WRITE, self.test, "Send a test event.", 202, EmptyBody),
            Call("POST", f"{ONE}/rotate_secret", WRITE, self.rotate, "Give it a new secret.", 200, RotateBody),
            Call("GET", deliveries, READ, self.log, "List deliveries with their attempts.", query=(status, *PAGE)),
            Call("POST", deliveries + "/{delivery_id}/replay", WRITE, self.replay_one, "Send one delivery again.", 202,
                 EmptyBody),
            Call("POST", f"{ONE}/replay", WRITE, self.replay, "Send stored deliveries again.", 202, ReplayBody),
        ]  # fmt: skip

    def router(self, base: str) -> APIRouter:
        """Return the routes below the base path."""
        router = APIRouter(prefix=f"{base}/webhook_endpoints")
        for call in self.calls():
            router.add_api_route(
                call.path, self._guarded(call), methods=[call.method], summary=call.summary, response_class=Response,
                response_model=None, status_code=call.success, openapi_extra=call.described(), responses=REFUSALS,
                description=f"Needs the scope `{call.scope}`.", operation_id=call.name,
            )  # fmt: skip
        return router

    def _guarded(self, call: Call) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            tenant = self._tenant(request, call.scope)
            known = {name for name, _ in call.query}
            if unknown := sorted(set(request.query_params) - known):
                words = "This parameter is not known" + (f"; there are {', '.join(sorted(known))}." if known else ".")
                raise _invalid(unknown[0][:64], words)
            return await call.handler(request, tenant)

        return handle

    def _tenant(self, request: Request, scope: str) -> str:
        try:
            identity = read_identity(self._secret, request.headers.get(HEADER))
        except IdentityRefused:
            raise Unauthenticated("Calls come through edge.", code="no_identity") from None
        if scope not in identity.scopes:
            raise Forbidden(f"The API key lacks the scope {scope}.", more={"scope": scope})
        return identity.tenant

    # -- one call each

    async def create(self, request: Request, tenant: str) -> Response:
        """Make one; the secret is in this answer only."""
        row, secret = await self._endpoints.create(tenant, parse(CreateBody, await read_body(request)))
        return JsonAnswer(views.endpoint(row) | {"secret": secret}, 201)

    async def page(self, request: Request, tenant: str) -> Response:
        """List them."""
        limit, after = _page(request)
        rows = await self._endpoints.page(tenant, limit + 1, after)
        return JsonAnswer(listing([views.endpoint(row) for row in rows], limit))

    async def get(self, request: Request, tenant: str) -> Response:
        """Read one."""
        return JsonAnswer(views.endpoint(await self._endpoints.get(tenant, _id(request))))

    async def update(self, request: Request, tenant: str) -> Response:
        """Change one."""
        body = parse(UpdateBody, await read_body(request))
        return JsonAnswer(views.endpoint(await self._endpoints.update(tenant, _id(request), body)))

    async def remove(self, request: Request, tenant: str) -> Response:
        """Delete one."""
        await self._endpoints.remove(tenant, _id(request))
        return Answer(status_code=204)

    async def test(self, request: Request, tenant: str) -> Response:
        """Send a test event."""
        parse(EmptyBody, await read_body(request) or b"{}")
        return JsonAnswer(views.delivery(await self._endpoints.test(tenant, _id(request))), 202)

    async def rotate(self, request: Request, tenant: str) -> Response:
        """Rotate the secret; the new one is in this answer only."""
        body = parse(RotateBody, await read_body(request) or b"{}")
        row, secret = await self._endpoints.rotate(tenant, _id(request), body)
        until = max((each["until"] for each in row["secrets"] if each["until"]), default=None)
        return JsonAnswer(views.endpoint(row) | {"secret": secret, "previous_valid_until": until})

    async def log(self, request: Request, tenant: str) -> Response:
        """List deliveries."""
        limit, after = _page(request)
        rows = await self._endpoints.log(tenant, _id(request), _state(request), limit + 1, after)
        return JsonAnswer(listing([views.delivery(row) for row in rows], limit))

    async def replay_one(self, request: Request, tenant: str) -> Response:
        """Send one delivery again."""
        parse(EmptyBody, await read_body(request) or b"{}")
        row = await self._endpoints.replay_one(tenant, _id(request), request.path_params["delivery_id"])
        return JsonAnswer(views.delivery(row), 202)

    async def replay(self, request: Request, tenant: str) -> Response:
        """Send a span of time again."""
        body = parse(ReplayBody, await read_body(request))
        count = await self._endpoints.replay(tenant, _id(request), body)
        said = {"since": body.since, "until": body.until, "events": body.events, "status": body.status}
        head = {"object": "webhook_replay", "endpoint_id": _id(request), "replayed": count}
        return JsonAnswer(head | said, 202)


def _id(request: Request) -> str:
    return str(request.path_params["endpoint_id"])


def _page(request: Request) -> tuple[int, str | None]:
    query = request.query_params
    return page_limit(query.get("limit")), page_cursor(query.get("starting_after"))


def _state(request: Request) -> DeliveryState | None:
    text = request.query_params.get("status")
    try:
        return None if text is None else DeliveryState(text)
    except ValueError:
        raise _invalid("status", f"Must be one of {STATES}.") from None


def _invalid(name: str, words: str) -> Invalid:
    return Invalid(f"{name}: {words}", code="invalid_field", param=name, errors=[FieldProblem(name, words)])
