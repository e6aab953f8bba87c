"""Creating, changing and deleting templates, and uploading the samples of their headers, behind edge."""

from starlette.requests import Request
from starlette.responses import Response

from libs.web.answers import JsonAnswer
from libs.web.bodies import parse, read_body
from libs.web.calls import WRITE, Call
from libs.web.errors import FieldProblem, Invalid
from libs.web.identity import Identity
from libs.web.multipart import FormUpload, form_schema
from services.templates.author import TemplateAuthor
from services.templates.bodies import CreateBody, EditBody
from services.templates.routes.reading import template_id_of, view
from services.templates.samples import Samples

NAMED = {"name": "The template, in all its languages.", "waba_id": "Needed where several accounts have it."}
SAMPLE_FIELDS = {"waba_id": "The account that the sample is for; optional with exactly one."}


class WritingRoutes:
    """What changes templates at Meta."""

    def __init__(self, author: TemplateAuthor, samples: Samples) -> None:
        self._author = author
        self._samples = samples

    def calls(self) -> list[Call]:
        """Return the calls below `/templates`."""
        one = "/{template_id}"
        return [
            Call("POST", "", WRITE, self.create, "Create a template; Meta reviews it.", 201, CreateBody),
            Call("DELETE", "", WRITE, self.delete_named, "Delete a template in all its languages.", 204, query=NAMED),
            Call("POST", "/media", WRITE, self.sample, "Upload the sample of a media header.", 201,
                 form=form_schema(SAMPLE_FIELDS)),
            Call("PATCH", one, WRITE, self.edit, "Change a template; Meta reviews it again.", 200, EditBody),
            Call("DELETE", one, WRITE, self.delete, "Delete a template in its language.", 204),
        ]  # fmt: skip

    async def create(self, request: Request, caller: Identity) -> Response:
        """Create a template."""
        body = parse(CreateBody, await read_body(request))
        return JsonAnswer(view(await self._author.create(caller, body)), 201)

    async def edit(self, request: Request, caller: Identity) -> Response:
        """Change a template."""
        template_id = template_id_of(request)
        body = parse(EditBody, await read_body(request))
        return JsonAnswer(view(await self._author.edit(caller, template_id, body)))

    async def delete(self, request: Request, caller: Identity) -> Response:
        """Delete a template in its language."""
        await self._author.delete(caller, template_id_of(request))
        return Response(status_code=204)

    async def delete_named(self, request: Request, caller: Identity) -> Response:
        """Delete a template in all its languages."""
        query = request.query_params
        name = query.get("name")
        if not name:
            words = "This parameter is required: the template's name."
            raise Invalid(f"name: {words}", code="missing_field", param="name", errors=[FieldProblem("name", words)])
        await self._author.delete_named(caller, name, query.get("waba_id"))
        return Response(status_code=204)

    async def sample(self, request: Request, caller: Identity) -> Response:
        """Upload a sample; its handle goes into `example.header_handle`."""
        return JsonAnswer(await self._samples.upload(caller, FormUpload(request, SAMPLE_FIELDS)), 201)
