"""The calls of a service behind edge: path, scope, handler, and how each is described. Edge says who calls."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from libs.web.errors import Forbidden, Unauthenticated, wrong
from libs.web.identity import HEADER, Identity, IdentityRefused, read_identity

READ, WRITE = "whatsapp:read", "whatsapp:write"
PAGE = {"limit": "1 to 100, default 20.", "starting_after": "Id of the last row of the page before."}

_REFUSED: dict[str, Any] = {"content": {"application/json": {}}}
_REFUSALS: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "Refused; the body is the error object.", **_REFUSED},
    "5XX": {"description": "Not processed; the body is the error object.", **_REFUSED},
}
_IDEMPOTENCY = {
    "name": "Idempotency-Key", "in": "header", "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "Same key and body: the first answer again.",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Call:
    """A call that a caller with `scope` may make: its JSON body, or its form, and its query parameters with a sentence
    each; a parameter that is not among them is refused by name.

    `streams` are media types that it takes beside JSON, `answers` is that of its answer.
    """

    method: str
    path: str
    scope: str
    handler: Callable[[Request, Identity], Awaitable[Response]]
    summary: str
    success: int = 200
    body: type[BaseModel] | None = None
    form: Mapping[str, Any] | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    streams: tuple[str, ...] = ()
    answers: str = "application/json"

    def described(self) -> dict[str, Any]:
        """Return what the document says of it beside the summary."""
        said: dict[str, Any] = {"security": [{"key": []}], "x-scope": self.scope}
        if self.body is not None:
            schema = self.body.model_json_schema()
            needed = bool(schema.get("required"))
            streams = {media: {"schema": {"type": "string"}} for media in self.streams}
            content = {"application/json": {"schema": schema}} | streams
            said["requestBody"] = {"required": needed, "content": content}
        elif self.form is not None:
            said["requestBody"] = self.form
        text = {"schema": {"type": "string"}}
        said["parameters"] = [
            *({"name": name, "in": "path", "required": True} | text for name in _names_in(self.path)),
            *(
                {"name": name, "in": "query", "required": False, "description": words} | text
                for name, words in self.query.items()
            ),
        ]
        if self.answers != "application/json":
            said["responses"] = {str(self.success): {"content": {self.answers: {"schema": {"type": "string"}}}}}
        if self.method == "POST":
            said["parameters"].append(_IDEMPOTENCY)
        return said

    def check_query(self, request: Request) -> None:
        """Raise Invalid, naming it, for a parameter that the call does not have."""
        if unknown := sorted(set(request.query_params) - set(self.query)):
            name = unknown[0][:64]
            words = "This parameter is not known" + (f"; there are {', '.join(self.query)}." if self.query else ".")
            raise wrong(name, words)


def calls_router(prefix: str, calls: Iterable[Call], secret: str) -> APIRouter:
    """Return the routes of a resource, `/api/v1/whatsapp/templates` for example; `secret` signs who calls.

    Where two calls match a path the first one gets it.
    """
    router, resource = APIRouter(prefix=prefix), prefix.rpartition("/")[2]
    for call in calls:
        name = call.path.replace("/", "_").replace("{", "").replace("}", "")
        router.add_api_route(
            call.path, _guarded(call, secret), methods=[call.method], summary=call.summary, response_class=Response,
            response_model=None, status_code=call.success, openapi_extra=call.described(), responses=_REFUSALS,
            description=f"Needs the scope `{call.scope}`.", operation_id=f"{call.method.lower()}_{resource}{name}",
        )  # fmt: skip
    return router


def _guarded(call: Call, secret: str) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        caller = _caller(request, secret, call.scope)
        call.check_query(request)
        return await call.handler(request, caller)

    return handle


def _caller(request: Request, secret: str, scope: str) -> Identity:
    try:
        identity = read_identity(secret, request.headers.get(HEADER))
    except IdentityRefused:
        raise Unauthenticated("Calls come through edge.", code="no_identity") from None
    if scope not in identity.scopes:
        raise Forbidden(f"The API key lacks the scope {scope}.", more={"scope": scope})
    return identity


def _names_in(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]
