"""One endpoint of the REST surface: its path, the scope that it needs, who handles it, and how it is described."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from libs.web.door import Handler
from services.edge.api_keys import Scope
from services.edge.audit import AuditTrail
from services.edge.auth import Authenticator, Caller

CallerHandler = Callable[[Request, Caller], Awaitable[Response]]

ERROR_ANSWERS: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "Refused; the body is the error object.", "content": {"application/json": {}}},
    "5XX": {
        "description": "Not processed, or unclear; the body is the error object.",
        "content": {"application/json": {}},
    },
}

FILE_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file.", "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}},
    304: {"description": "The file has the ETag of `If-None-Match`."},
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A call that a key with `scope` may make. There is no endpoint without a scope."""

    method: str
    path: str
    scope: Scope
    handler: CallerHandler
    summary: str
    body: type[BaseModel] | None = None
    body_needed: bool = True
    success: int = 200
    query: Sequence[tuple[str, str]] = ()
    form: dict[str, Any] | None = None
    file: bool = False

    def guarded(self, authenticator: Authenticator, trail: AuditTrail) -> Handler:
        """Return the handler behind the check of the caller's key; what it does is written down where it is audited."""

        async def handle(request: Request) -> Response:
            return await self.handler(request, await authenticator.caller(request, self.scope))

        async def noted(request: Request) -> Response:
            caller = await authenticator.caller(request, self.scope)
            return await trail.noted(request, caller.key_id, caller.tenant, lambda: self.handler(request, caller))

        # Messages are not audited, and must not pay for looking whether they are.
        return noted if trail.has(self.method, self.path) else handle

    def register(self, api: FastAPI, authenticator: Authenticator, trail: AuditTrail) -> None:
        """Add the endpoint to the application and its document."""
        handle = self.guarded(authenticator, trail)

        async def endpoint(request: Request) -> Response:
            return await handle(request)

        api.add_api_route(
            self.path,
            endpoint,
            methods=[self.method],
            summary=self.summary,
            description=f"Needs the scope `{self.scope.value}`.",
            status_code=self.success,
            responses=ERROR_ANSWERS | (FILE_ANSWERS if self.file else {}),
            response_class=Response,
            response_model=None,
            openapi_extra=self._described(),
            operation_id=f"{self.method.lower()}{self.path.replace('/', '_').replace('{', '').replace('}', '')}",
        )

    def _described(self) -> dict[str, Any]:
        described: dict[str, Any] = {"security": [{"key": []}], "x-scope": self.scope.value}
        if self.body is not None:
            schema = self.body.model_json_schema()
            content = {"application/json": {"schema": schema}}
            described["requestBody"] = {"required": self.body_needed, "content": content}
        if self.form is not None:
            described["requestBody"] = self.form
        parameters = [
            {"name": name, "in": "query", "required": False, "schema": {"type": "string"}, "description": words}
            for name, words in self.query
        ]
        parameters += [
            {"name": part[1:-1], "in": "path", "required": True, "schema": {"type": "string"}}
            for part in self.path.split("/")
            if part.startswith("{")
        ]
        if self.method == "POST":
            parameters.append(
                {"name": "Idempotency-Key", "in": "header", "required": False,
                 "schema": {"type": "string", "minLength": 1, "maxLength": 255},
                 "description": "Same key and body: the first answer again."}
            )  # fmt: skip
        return described | {"parameters": parameters}
