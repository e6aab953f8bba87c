"""Edges of an account's templates, and media uploads of a number."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from services.sandbox.graph_http import body_of, success, who
from services.sandbox.media import MediaShelf
from services.sandbox.model import Template
from services.sandbox.paging import page_of
from services.sandbox.shown import TEMPLATE_FIELDS, chosen, template_fields
from services.sandbox.templates import Templates
from services.sandbox.world import World

MOST = 1000  # templates a page; integrators ask for so many
ALLOWED = 6000  # templates of a verified business, as `summary` tells


class TemplateRoutes:
    """GET, POST and DELETE /{WABA}/message_templates."""

    def __init__(self, world: World, templates: Templates) -> None:
        self._world, self._templates = world, templates

    async def list(self, request: Request) -> Response:
        """Newest first, filtered, in pages."""
        account = self._world.account(who(self._world, request), request.path_params["object_id"], "get")
        query = dict(request.query_params)
        every = self._world.templates_of(account.id)[::-1]
        found = [template for template in every if _fits(template, query)]
        shown = [chosen(template_fields(template), query.get("fields"), TEMPLATE_FIELDS) for template in found]
        counts = {
            "total_count": len(found), "message_template_count": len(every), "message_template_limit": ALLOWED,
            "are_translations_complete": True,
        }  # fmt: skip
        asked = [name for name in query.get("summary", "").split(",") if name in counts]
        summary = {"summary": {name: counts[name] for name in asked}} if asked else {}
        return page_of(shown, request, most=MOST, more=summary)

    async def create(self, request: Request) -> Response:
        """Create one; the answer tells its status and category."""
        account = self._world.account(who(self._world, request), request.path_params["object_id"], "post")
        template = self._templates.create(account.id, await body_of(request))
        return JSONResponse({"id": template.id, "status": template.status, "category": template.category})

    async def delete(self, request: Request) -> Response:
        """Delete by `name`, or one language by `hsm_id` and `name`."""
        account = self._world.account(who(self._world, request), request.path_params["object_id"], "delete")
        body = await body_of(request)
        self._templates.delete(account.id, body.get("name"), body.get("hsm_id"))
        return success()


class MediaRoutes:
    """POST /{PNID}/media and the host that downloads come from."""

    def __init__(self, world: World, shelf: MediaShelf) -> None:
        self._world, self._shelf = world, shelf

    async def upload(self, request: Request) -> Response:
        """Take a file."""
        number = self._world.number(who(self._world, request), request.path_params["object_id"], "post")
        return JSONResponse({"id": await self._shelf.upload(number, request)})

    async def download(self, request: Request) -> Response:
        """Give a file to whoever holds the address and the token."""
        return self._shelf.download(who(self._world, request), request)


def _fits(template: Template, query: dict[str, str]) -> bool:
    text = " ".join(str(part.get("text", "")) for part in template.components)
    return all((
        query.get("name", "") in template.name,
        query.get("content", "") in text,
        query.get("name_or_content", "") in f"{template.name} {text}",
        query.get("language", template.language) == template.language,
        query.get("category", template.category).upper() == template.category,
        query.get("status", template.status).upper() == template.status,
        query.get("quality_score", template.quality).upper() == template.quality,
    ))  # fmt: skip
