"""The HTTP side of the Graph API: tokens, bodies, answers and errors, shared by all its routes."""

import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from services.sandbox.clock import SandboxClock
from services.sandbox.errors import GraphError, bad_parameter, no_token
from services.sandbox.identifiers import trace_id
from services.sandbox.model import Token
from services.sandbox.rates import Rates
from services.sandbox.store import Store
from services.sandbox.world import World

LARGEST_JSON = 5 * 1024 * 1024  # bytes of a body that is not an upload
VERSION = "v25.0"
# Usage of the app and the account's own budget, in percent: the sandbox never comes near it.
USAGE = {"x-app-usage": '{"call_count":1,"total_time":1,"total_cputime":1}', "facebook-api-version": VERSION}
Handler = Callable[[Request], Awaitable[Response]]


def bearer(scope: Any) -> str:
    """Return the access token of a call, from its header or its query; raises GraphError 2500 when there is none."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            kind, _, token = value.decode("latin-1").partition(" ")
            if kind.lower() in ("bearer", "oauth") and token:
                return str(token.strip())
    for name, value in parse_qsl(scope["query_string"].decode("latin-1")):
        if name == "access_token" and value:
            return str(value)
    raise no_token()


def who(world: World, request: Request) -> Token:
    """Return the live token of a call."""
    return world.token(bearer(request.scope))


def parsed(raw: bytes, content_type: str) -> dict[str, Any]:
    """Read a body: JSON, or a form whose values may be JSON; what cannot be read counts as no parameters at all."""
    if content_type.startswith("application/x-www-form-urlencoded"):
        return {
            name: _field(value) for name, value in parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True)
        }
    if not raw:
        return {}
    try:
        text = raw.decode()
        body = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(body, dict):
        return {}
    if "\\ud" in text or "\\uD" in text:
        _refuse_lone_surrogates(body)
    return body


async def body_of(request: Request) -> dict[str, Any]:
    """Read the parameters of a call that is not an upload: its body, and its query for what the body leaves out."""
    content_type = request.headers.get("content-type", "")
    query = {name: _field(value) for name, value in request.query_params.items() if name != "access_token"}
    if content_type.startswith("multipart/form-data"):
        async with request.form() as form:
            return query | {name: _field(value) for name, value in form.items() if isinstance(value, str)}
    raw = await request.body()
    if len(raw) > LARGEST_JSON:
        raise bad_parameter("Request body is too large.")
    return query | parsed(raw, content_type)


class Answering:
    """Turns a route that raises GraphError into one that answers with Meta's envelope, once its effect is on disk.

    It also keeps the hourly budget of calls that an app has on an account.
    """

    def __init__(self, world: World, store: Store, rates: Rates, clock: SandboxClock) -> None:
        self._world, self._store, self._rates, self._clock = world, store, rates, clock

    def __call__(self, handler: Handler) -> Handler:
        """Wrap one route."""

        async def route(request: Request) -> Response:
            try:
                usage = self._usage(request)
                response = await handler(request)
            except GraphError as error:
                return error_response(error)
            await self._store.flushed()
            response.headers.update(usage)
            return response

        return route

    def _usage(self, request: Request) -> dict[str, str]:
        """Count a call on an account; a message is none, nor is a call on anything else."""
        waba_id = request.path_params.get("object_id")
        if waba_id not in self._world.accounts:
            return USAGE
        token = who(self._world, request)
        registered = any(number.registered for number in self._world.numbers_of(waba_id))
        percent = self._rates.manage(token.app_id, waba_id, registered, self._clock.machine())
        used = {"type": "whatsapp", "call_count": percent, "total_cputime": 1, "total_time": 1}
        return USAGE | {
            "x-business-use-case-usage": json.dumps({waba_id: [used | {"estimated_time_to_regain_access": 0}]})
        }


def error_response(error: GraphError) -> Response:
    """Return an error as the Graph API answers it."""
    trace = trace_id()
    headers = USAGE | {"x-fb-trace-id": trace}
    if error.code in (190, 2500, 102, 104):
        kind = "invalid_token" if error.code == 190 else "invalid_request"
        headers["www-authenticate"] = f'OAuth "Facebook Platform" "{kind}" "{error.message}"'
    return JSONResponse(error.envelope(trace), error.http_status, headers)


def success(**more: Any) -> Response:
    """Return `{"success": true}`."""
    return JSONResponse({"success": True, **more})


def _field(value: str) -> Any:
    """Return a form value: JSON where it is an object, an array, a boolean or null; ids stay text."""
    if value[:1] in ("{", "[") or value in ("true", "false", "null"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _refuse_lone_surrogates(body: dict[str, Any]) -> None:
    try:
        json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise bad_parameter("Invalid UTF-8 sequence in the request body.") from None
