"""The notifier's REST side, reached through edge only."""

from starlette.requests import Request
from starlette.responses import Response

from libs.egress.rotation import RotateBody
from libs.web.answers import Answer, JsonAnswer
from libs.web.bodies import parse, read_body
from libs.web.calls import PAGE, READ, WRITE, Call
from libs.web.cursors import listing, page_cursor, page_limit
from libs.web.errors import wrong
from libs.web.identity import Identity
from services.notifier import views
from services.notifier.bodies import CreateBody, EmptyBody, ReplayBody, UpdateBody
from services.notifier.domain import DeliveryState
from services.notifier.endpoints import Endpoints

ONE = "/{endpoint_id}"
STATES = ", ".join(DeliveryState)
IN_STATE = {"status": f"Only deliveries in this state: {STATES}."}


class EndpointRoutes:
    """`/webhook_endpoints` and what is below."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    def calls(self) -> list[Call]:
        """Return the calls below `/webhook_endpoints`."""
        deliveries = f"{ONE}/deliveries"
        return [
            Call("POST", "", WRITE, self.create, "Make a webhook endpoint; its secret is shown once.", 201, CreateBody),
            Call("GET", "", READ, self.page, "List webhook endpoints, newest first.", query=PAGE),
            Call("GET", ONE, READ, self.get, "Read a webhook endpoint."),
            Call("PATCH", ONE, WRITE, self.update, "Change a webhook endpoint.", 200, UpdateBody),
            Call("DELETE", ONE, WRITE, self.remove, "Delete a webhook endpoint with its deliveries.", 204),
            Call("POST", f"{ONE}/test", WRITE, self.test, "Send a test event.", 202, EmptyBody),
            Call("POST", f"{ONE}/rotate_secret", WRITE, self.rotate, "Give it a new secret.", 200, RotateBody),
            Call("GET", deliveries, READ, self.log, "List deliveries with their attempts.", query=IN_STATE | PAGE),
            Call("POST", deliveries + "/{delivery_id}/replay", WRITE, self.replay_one, "Send one delivery again.", 202,
                 EmptyBody),
            Call("POST", f"{ONE}/replay", WRITE, self.replay, "Send stored deliveries again.", 202, ReplayBody),
        ]  # fmt: skip

    # -- one call each

    async def create(self, request: Request, caller: Identity) -> Response:
        """Make one; the secret is in this answer only."""
        row, secret = await self._endpoints.create(caller, parse(CreateBody, await read_body(request)))
        return JsonAnswer(views.endpoint(row) | {"secret": secret}, 201)

    async def page(self, request: Request, caller: Identity) -> Response:
        """List them."""
        limit, after = _page(request)
        rows = await self._endpoints.page(caller, limit + 1, after)
        return JsonAnswer(listing([views.endpoint(row) for row in rows], limit))

    async def get(self, request: Request, caller: Identity) -> Response:
        """Read one."""
        return JsonAnswer(views.endpoint(await self._endpoints.get(caller, _id(request))))

    async def update(self, request: Request, caller: Identity) -> Response:
        """Change one."""
        body = parse(UpdateBody, await read_body(request))
        return JsonAnswer(views.endpoint(await self._endpoints.update(caller, _id(request), body)))

    async def remove(self, request: Request, caller: Identity) -> Response:
        """Delete one."""
        await self._endpoints.remove(caller, _id(request))
        return Answer(status_code=204)

    async def test(self, request: Request, caller: Identity) -> Response:
        """Send a test event."""
        parse(EmptyBody, await read_body(request) or b"{}")
        return JsonAnswer(views.delivery(await self._endpoints.test(caller, _id(request))), 202)

    async def rotate(self, request: Request, caller: Identity) -> Response:
        """Rotate the secret; the new one is in this answer only."""
        body = parse(RotateBody, await read_body(request) or b"{}")
        row, secret = await self._endpoints.rotate(caller, _id(request), body)
        until = max((each["until"] for each in row["secrets"] if each["until"]), default=None)
        return JsonAnswer(views.endpoint(row) | {"secret": secret, "previous_valid_until": until})

    async def log(self, request: Request, caller: Identity) -> Response:
        """List deliveries."""
        limit, after = _page(request)
        rows = await self._endpoints.log(caller, _id(request), _state(request), limit + 1, after)
        return JsonAnswer(listing([views.delivery(row) for row in rows], limit))

    async def replay_one(self, request: Request, caller: Identity) -> Response:
        """Send one delivery again."""
        parse(EmptyBody, await read_body(request) or b"{}")
        row = await self._endpoints.replay_one(caller, _id(request), request.path_params["delivery_id"])
        return JsonAnswer(views.delivery(row), 202)

    async def replay(self, request: Request, caller: Identity) -> Response:
        """Send a span of time again."""
        body = parse(ReplayBody, await read_body(request))
        count = await self._endpoints.replay(caller, _id(request), body)
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
        raise wrong("status", f"Must be one of {STATES}.") from None
