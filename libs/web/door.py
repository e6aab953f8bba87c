"""What every request passes first: an id, the log's context, the count, and the error shape at the end."""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from prometheus_client import Counter, Histogram
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.mongo.client import MongoUnavailable
from libs.observability import tracing
from libs.runtime.ids import is_uuid, new_id
from libs.web.answers import Answer, JsonAnswer
from libs.web.errors import ApiError, Unavailable

REQUESTS = Counter("wabus_http_requests_total", "HTTP requests by route and status.", ["route", "status"])
SECONDS = Histogram(
    "wabus_http_request_seconds",
    "Time from the headers of a request to the end of its answer.",
    ["route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)

Handler = Callable[[Request], Awaitable[Response]]
Headers = list[tuple[bytes, bytes]]
TRACEPARENT = tracing.HEADER.encode()
OPERATIONAL = frozenset({"/healthz", "/readyz", "/metrics"})  # asked all day by machines: no trace shows them
ANSWERED = "wabus.answered"  # place in a scope for what became of the request: its route and status
FORWARDED_ID = b"x-wabus-request-id"  # edge tells its request id to the services behind it

log = structlog.get_logger()


class Door:
    """The outermost ASGI app of an HTTP side.

    Hot routes are looked up in a table and run without the framework's stack; every other request goes to `app`.
    Each answer carries `Request-Id`, and the caller's own `X-Request-Id` beside it. A service `behind_edge` goes on
    with the id that edge gave the request; from outside nobody chooses ours.
    """

    def __init__(
        self, app: ASGIApp, hot: Mapping[tuple[str, str], Handler] | None = None, *, behind_edge: bool = False
    ) -> None:
        self.app = app
        self._behind_edge = behind_edge
        self._hot = dict(hot or {})
        self._counters: dict[tuple[str, int], Any] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        started = time.perf_counter()
        request_id, extra = _ids(scope, self._behind_edge)
        scope["wabus.request_id"] = request_id
        serve = self._serve if not tracing.is_on() or scope["path"] in OPERATIONAL else self._traced
        try:
            await serve(scope, receive, send, extra)
        finally:
            if ANSWERED in scope:
                route, status = scope[ANSWERED]
                self._count(route, status, time.perf_counter() - started)

    async def _traced(self, scope: Scope, receive: Receive, send: Send, extra: Headers) -> None:
        about = {"http.request.method": scope["method"], "wabus.request_id": scope["wabus.request_id"]}
        # Behind edge nothing begins: edge decided whether this request is recorded.
        with tracing.begin(scope["method"], "server", _parent(scope), about, root=not self._behind_edge) as span:
            try:
                await self._serve(scope, receive, send, extra)
            finally:
                route, status = scope.get(ANSWERED, ("unrouted", 500))
                span.named(f"{scope['method']} {route}")
                span.note({"http.route": route, "http.response.status_code": status})
                if status >= 500:
                    span.failed(str(status))

    async def _serve(self, scope: Scope, receive: Receive, send: Send, extra: Headers) -> None:
        """Answer, and leave route and status in the scope."""
        handler = self._hot.get((scope["method"], scope["path"]))
        if handler is None:
            await self._cold(scope, receive, send, extra)
            return
        found = await answer(handler, Request(scope, receive))
        if not isinstance(found, Answer):
            raise TypeError("a hot route answers with an Answer")
        headers = [*found.raw_headers, *extra]
        await send({"type": "http.response.start", "status": found.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": found.body})
        scope[ANSWERED] = scope["path"], found.status_code

    async def _cold(self, scope: Scope, receive: Receive, send: Send, extra: Headers) -> None:
        status = 500

        async def send_with_ids(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *extra]
            await send(message)

        try:
            with structlog.contextvars.bound_contextvars(request_id=scope["wabus.request_id"]):
                await self.app(scope, receive, send_with_ids)
        finally:
            scope[ANSWERED] = _route_of(scope), status

    def _count(self, route: str, status: int, seconds: float) -> None:
        pair = self._counters.get((route, status))
        if pair is None:
            pair = (REQUESTS.labels(route, status), SECONDS.labels(route))
            self._counters[route, status] = pair
        pair[0].inc()
        pair[1].observe(seconds)


async def answer(handler: Handler, request: Request) -> Response:
    """Run a handler; what it raises becomes the error shape."""
    try:
        return await handler(request)
    except ApiError as refusal:
        return error_answer(request, refusal)
    except Exception as error:
        return crash_answer(request, error)


def error_answer(request: Request, refusal: ApiError) -> Response:
    """Return the answer for a refusal."""
    headers = {"Retry-After": str(refusal.retry_after)} if refusal.retry_after is not None else None
    return JsonAnswer(refusal.body(request.scope.get("wabus.request_id", "")), refusal.status, headers)


def crash_answer(request: Request, error: Exception) -> Response:
    """Return the answer for an exception: 503 where MongoDB is away, else 500 without a word of the cause."""
    if isinstance(error, MongoUnavailable):
        return error_answer(request, away())
    log.error("request_crashed", exc_info=error, request_id=request.scope.get("wabus.request_id", ""))
    return error_answer(request, ApiError("Something went wrong on our side."))


def away() -> Unavailable:
    """Return the refusal of everything while MongoDB is away."""
    return Unavailable("The store is not available; nothing was stored. Try again.", retry_after=1)


def _ids(scope: Scope, behind_edge: bool) -> tuple[str, list[tuple[bytes, bytes]]]:
    given = forwarded = b""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            given = value[:128]
        elif behind_edge and name == FORWARDED_ID:
            forwarded = value
    request_id = forwarded.decode("ascii", "replace")
    if not forwarded or not is_uuid(request_id):
        request_id = new_id()
    extra = [(b"request-id", request_id.encode())]
    return request_id, [*extra, (b"x-request-id", given)] if given else extra


def _parent(scope: Scope) -> str | None:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == TRACEPARENT), None)


def _route_of(scope: Scope) -> str:
    route = scope.get("route")
    return getattr(route, "path", "") or "unrouted"
