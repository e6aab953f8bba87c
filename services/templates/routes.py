"""The templates service's REST side, reached through edge only."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from libs.runtime.ids import is_uuid
from libs.web.answers import JsonAnswer
from libs.web.bodies import parse, read_body
from libs.web.cursors import listing, page_cursor, page_limit
from libs.web.errors import FieldProblem, Forbidden, Invalid, NotFound, Unauthenticated
from libs.web.identity import HEADER, Identity, IdentityRefused, read_identity
from services.templates.requests import SyncRequests
from services.templates.store import JobStore, TemplateStore

FILTERS = ("name", "language", "status", "category", "waba_id")
PAGE = ("limit", "starting_after")


class SyncBody(BaseModel):
    """`POST /templates/sync`: one account, or all of the tenant's."""

    model_config = ConfigDict(extra="forbid")

    waba_id: Annotated[str | None, Field(pattern=r"^[0-9]{1,32}$", description="Only this account.")] = None


class TemplateRoutes:
    """Lists templates, asks for syncs."""

    def __init__(self, store: TemplateStore, jobs: JobStore, requests: SyncRequests, internal_secret: str) -> None:
        self._store = store
        self._jobs = jobs
        self._requests = requests
        self._secret = internal_secret

    def router(self, base: str) -> APIRouter:
        """Return the routes below the base path."""
        router = APIRouter(prefix=f"{base}/templates")
        body = {"content": {"application/json": {"schema": SyncBody.model_json_schema()}}}
        query = [_parameter(name) for name in (*FILTERS, *PAGE)]
        table: list[tuple[str, str, Any, str, str, dict[str, Any]]] = [
            ("GET", "", self.page, "List templates, newest first.", "whatsapp:read", {"parameters": query}),
            (
                "POST",
                "/sync",
                self.sync,
                "Read all templates from Meta again.",
                "whatsapp:write",
                {"requestBody": body},
            ),
            ("GET", "/sync/{job_id}", self.job, "How far a sync is.", "whatsapp:read", _in_path("job_id")),
            ("GET", "/{template_id}", self.get, "Read one template.", "whatsapp:read", _in_path("template_id")),
        ]
        for method, path, handler, summary, scope, extra in table:
            router.add_api_route(
                path, handler, methods=[method], summary=summary, response_class=Response, response_model=None,
                status_code=202 if method == "POST" else 200,
                openapi_extra=extra | {"security": [{"key": []}], "x-scope": scope},
            )  # fmt: skip
        return router

    async def page(self, request: Request) -> Response:
        """List templates."""
        tenant = self._caller(request, "whatsapp:read").tenant
        query = request.query_params
        if unknown := sorted(set(query) - {*FILTERS, *PAGE}):
            words = f"This parameter is not known; there are {', '.join((*FILTERS, *PAGE))}."
            raise Invalid(f"{unknown[0]}: {words}", code="invalid_field", param=unknown[0],
                          errors=[FieldProblem(unknown[0], words)])  # fmt: skip
        limit, after = page_limit(query.get("limit")), page_cursor(query.get("starting_after"))
        wanted = {name: query[name] for name in FILTERS if name in query}
        wanted |= {name: wanted[name].upper() for name in ("status", "category") if name in wanted}
        rows = await self._store.page(tenant, wanted, limit + 1, after)
        return JsonAnswer(listing([view(row) for row in rows], limit))

    async def get(self, request: Request) -> Response:
        """Read one template."""
        tenant = self._caller(request, "whatsapp:read").tenant
        template_id = request.path_params["template_id"]
        row = await self._store.get(tenant, template_id) if is_uuid(template_id) else None
        if row is None:
            raise NotFound("There is no such template.", code="template_not_found", param="template_id")
        return JsonAnswer(view(row))

    async def sync(self, request: Request) -> Response:
        """Ask for a sync; the answer names the job."""
        tenant = self._caller(request, "whatsapp:write").tenant
        body = parse(SyncBody, await read_body(request) or b"{}")
        return JsonAnswer(job_view(await self._requests.ask(tenant, body.waba_id)), 202)

    async def job(self, request: Request) -> Response:
        """Read a sync job."""
        tenant = self._caller(request, "whatsapp:read").tenant
        job_id = request.path_params["job_id"]
        job = await self._jobs.get(tenant, job_id) if is_uuid(job_id) else None
        if job is None:
            raise NotFound("There is no such sync.", code="sync_not_found", param="job_id")
        return JsonAnswer(job_view(job))

    def _caller(self, request: Request, scope: str) -> Identity:
        try:
            identity = read_identity(self._secret, request.headers.get(HEADER))
        except IdentityRefused:
            raise Unauthenticated("Calls come through edge.", code="no_identity") from None
        if scope not in identity.scopes:
            raise Forbidden(f"The API key lacks the scope {scope}.", more={"scope": scope})
        return identity


def view(row: dict[str, Any]) -> dict[str, Any]:
    """A template as callers see it."""
    fields = (
        "waba_id", "meta_id", "name", "language", "status", "category", "announced_category", "quality",
        "rejected_reason", "parameter_format", "components", "message_send_ttl_seconds", "created_at", "changed_at",
        "synced_at",
    )  # fmt: skip
    return {"id": row["_id"], "object": "template"} | {name: row.get(name) for name in fields}


def job_view(job: dict[str, Any]) -> dict[str, Any]:
    """A sync job as callers see it."""
    fields = ("waba_ids", "added", "changed", "removed", "errors", "created_at", "finished_at")
    head = {"id": job["_id"], "object": "template_sync", "status": job["state"]}
    return head | {name: job.get(name) for name in fields}


def _parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": {"type": "string"}}


def _in_path(name: str) -> dict[str, Any]:
    return {"parameters": [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}}]}
