"""One call of the templates service: its path, the scope that it needs, who handles it, and how it is described."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from libs.web.errors import Forbidden, Unauthenticated
from libs.web.identity import HEADER, Identity, IdentityRefused, read_identity

READ, WRITE = "whatsapp:read", "whatsapp:write"

_REFUSED = "Refused or not processed; the body is the error object."
_ERRORS: dict[int | str, dict[str, Any]] = {
    kind: {"description": _REFUSED, "content": {"application/json": {}}} for kind in ("4XX", "5XX")
}
_IDEMPOTENCY = {
    "name": "Idempotency-Key", "in": "header", "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "Same key and body: the first answer again.",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Call:
    """A call that a caller with `scope` may make."""

    method: str
    path: str
    scope: str
    handler: Callable[[Request, Identity], Awaitable[Response]]
    summary: str
    success: int = 200
    described: Mapping[str, Any] = field(default_factory=dict)

    def register(self, router: APIRouter, secret: str) -> None:
        """Add the call to a router."""

        async def endpoint(request: Request) -> Response:
            return await self.handler(request, self._caller(request, secret))

        in_path = [part[1:-1] for part in self.path.split("/") if part.startswith("{")]
        described: dict[str, Any] = {"security": [{"key": []}], "x-scope": self.scope, **self.described}
        described["parameters"] = [*map(_in_path, in_path), *described.get("parameters", ())]
        if self.method == "POST":
            described["parameters"].append(_IDEMPOTENCY)
        name = self.path.replace("/", "_").replace("{", "").replace("}", "")
        router.add_api_route(
            self.path, endpoint, methods=[self.method], summary=self.summary, response_class=Response,
            response_model=None, status_code=self.success, openapi_extra=described,
            description=f"Needs the scope `{self.scope}`.", responses=_ERRORS,
            operation_id=f"{self.method.lower()}_templates{name}",
        )  # fmt: skip

    def _caller(self, request: Request, secret: str) -> Identity:
        try:
            identity = read_identity(secret, request.headers.get(HEADER))
        except IdentityRefused:
            raise Unauthenticated("Calls come through edge.", code="no_identity") from None
        if self.scope not in identity.scopes:
            raise Forbidden(f"The API key lacks the scope {self.scope}.", more={"scope": self.scope})
        return identity


def json_body(model: type[BaseModel]) -> dict[str, Any]:
    """Describe a JSON body."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": model.model_json_schema()}}}}


def in_query(names: Mapping[str, str]) -> dict[str, Any]:
    """Describe query parameters, each with a sentence."""
    return {
        "parameters": [
            {"name": name, "in": "query", "required": False, "schema": {"type": "string"}, "description": words}
            for name, words in names.items()
        ]
    }


def _in_path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
