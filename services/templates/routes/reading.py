"""Reading templates and asking for syncs, behind edge."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from libs.runtime.ids import is_uuid
from libs.web.answers import JsonAnswer
from libs.web.api import MethodNotAllowed
from libs.web.bodies import parse, read_body
from libs.web.calls import PAGE, READ, WRITE, Call
from libs.web.cursors import listing, page_cursor, page_limit
from libs.web.errors import NotFound
from libs.web.identity import Identity
from services.templates.accounts import Accounts
from services.templates.bodies import SyncBody
from services.templates.errors import NoSuchTemplate
from services.templates.rejections import library
from services.templates.requests import SyncRequests
from services.templates.store import JobStore, TemplateStore

FILTERS = {
    "name": "Exactly this name.", "language": "For example `en_US`.", "status": "For example APPROVED.",
    "category": "MARKETING, UTILITY or AUTHENTICATION.", "waba_id": "Only this account.",
}  # fmt: skip
WORDS = ("sync", "media", "rejection_reasons")  # what stands at an id's place in other paths


class ReadingRoutes:
    """Lists templates, shows one, asks for syncs, and tells why Meta rejects."""

    def __init__(self, store: TemplateStore, jobs: JobStore, requests: SyncRequests, accounts: Accounts) -> None:
        self._store = store
        self._accounts = accounts
        self._jobs = jobs
        self._requests = requests

    def calls(self) -> list[Call]:
        """Return the calls below `/templates`; words come before ids, which would match them too."""
        return [
            Call("GET", "", READ, self.page, "List templates, newest first.", query=FILTERS | PAGE),
            Call(
                "POST", "/sync", WRITE, self.sync, "Read all templates from Meta again.", 202, SyncBody
            ),
            Call("GET", "/sync/{job_id}", READ, self.job, "How far a sync is."),
            Call("GET", "/rejection_reasons", READ, self.reasons, "Why Meta rejects templates, and what to do."),
            Call("GET", "/{template_id}", READ, self.get, "Read one template."),
        ]  # fmt: skip

    async def page(self, request: Request, caller: Identity) -> Response:
        """List templates."""
        query = request.query_params
        limit, after = page_limit(query.get("limit")), page_cursor(query.get("starting_after"))
        wanted = {name: query[name] for name in FILTERS if name in query}
        wanted |= {name: wanted[name].upper() for name in ("status", "category") if name in wanted}
        rows = await self._store.page(caller.tenant, wanted, limit + 1, after, await self._accounts.reach(caller))
        return JsonAnswer(listing([view(row) for row in rows], limit))

    async def get(self, request: Request, caller: Identity) -> Response:
        """Read one template."""
        row = await self._store.get(caller.tenant, template_id_of(request))
        if row is None or not (await self._accounts.reach(caller)).has_account(row["waba_id"]):
            raise NoSuchTemplate("There is no such template.", param="template_id")
        return JsonAnswer(view(row))

    async def reasons(self, _: Request, __: Identity) -> Response:
        """Tell what Meta's reasons mean."""
        reasons = library()
        return JsonAnswer(listing(reasons, len(reasons)))

    async def sync(self, request: Request, caller: Identity) -> Response:
        """Ask for a sync; the answer names the job."""
        body = parse(SyncBody, await read_body(request) or b"{}")
        return JsonAnswer(job_view(await self._requests.ask(caller, body.waba_id)), 202)

    async def job(self, request: Request, caller: Identity) -> Response:
        """Read a sync job."""
        job_id = request.path_params["job_id"]
        job = await self._jobs.get(caller.tenant, job_id) if is_uuid(job_id) else None
        reach = await self._accounts.reach(caller)
        if job is None or not all(map(reach.has_account, job["waba_ids"])):
            raise NotFound("There is no such sync.", code="sync_not_found", param="job_id")
        return JsonAnswer(job_view(job))


def template_id_of(request: Request) -> str:
    """Return the template's id in the path; raises NoSuchTemplate for none of ours, MethodNotAllowed for a word."""
    template_id: str = request.path_params["template_id"]
    if template_id in WORDS:
        raise MethodNotAllowed(f"{request.method} is not allowed here.")
    if not is_uuid(template_id):
        raise NoSuchTemplate("There is no such template.", param="template_id")
    return template_id


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
