"""Opt-outs and the words by which people opt out."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from libs.directory.directory import Directory
from libs.ledger.consent import Consent
from libs.ledger.opt_out_words import LONGEST, OptOutWords, OptOutWordsBook, clash, plain
from libs.requests.bodies import Plain, Recipient
from libs.runtime.ids import is_uuid
from libs.web.answers import Answer, JsonAnswer
from libs.web.bodies import parse, read_body
from libs.web.cursors import listing, page_cursor, page_limit
from libs.web.errors import FieldProblem, Invalid
from services.edge import people_views as views
from services.edge.api_keys import Scope
from services.edge.auth import Caller
from services.edge.common_things import CommonThings
from services.edge.errors import NoSuchOptOut
from services.edge.idempotency import IdempotencyGuard, key_of
from services.edge.met_people import MetPeople
from services.edge.opt_outs import OptOuts
from services.edge.queries import PAGE, check_known, one_of, recipient
from services.edge.routes.endpoint import Endpoint

COVERS = ("covers", "`marketing` or `all`.")
FILTERS = (COVERS, ("recipient", "The person: E.164 phone number or business-scoped user id."), *PAGE)
MOST_WORDS = 200  # in a list: a tenant's languages, and far below what would slow hearing down


def _word(text: str) -> str:
    if not plain(text):
        raise ValueError("Must have a letter or a digit.")
    return text.strip()


Words = Annotated[
    list[Annotated[Plain, Field(min_length=1, max_length=LONGEST), AfterValidator(_word)]] | None,
    Field(max_length=MOST_WORDS),
]


class OptOutBody(BaseModel):
    """`POST /opt_outs`: who does not want to get what."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    to: Annotated[Recipient, Field(description="E.164 phone number, or a business-scoped user id.")]
    covers: Annotated[
        Literal["marketing", "all"],
        Field(description="`marketing`: marketing templates; `all`: everything but replies."),
    ] = "marketing"
    reason: Annotated[Plain | None, Field(max_length=500, description="Your own note; it is kept in the log.")] = None


class WordsBody(BaseModel):
    """`PUT /settings/opt_out_words`: lists of your own; null or left out, a list is the one that everybody has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stop: Annotated[Words, Field(description="A message that is nothing but one of these stops marketing.")] = None
    stop_all: Annotated[Words, Field(description="Stops everything but replies.")] = None
    start: Annotated[Words, Field(description="Gives everything back.")] = None


class ConsentRoutes:
    """`/opt_outs` and `/settings/opt_out_words`."""

    def __init__(
        self, opt_outs: OptOuts, met: MetPeople, words: OptOutWordsBook, directory: Directory, common: CommonThings,
        guard: IdempotencyGuard,
    ) -> None:  # fmt: skip
        self._opt_outs = opt_outs
        self._met = met
        self._directory = directory
        self._common = common
        self._words = words
        self._guard = guard

    def endpoints(self, base: str) -> list[Endpoint]:
        """Return the endpoints."""
        words = f"{base}/settings/opt_out_words"
        return [
            Endpoint(
                "GET", f"{base}/opt_outs", Scope.READ, self.page, "List who opted out, the latest first.",
                query=FILTERS,
            ),
            Endpoint(
                "POST", f"{base}/opt_outs", Scope.WRITE, self.add, "Opt somebody out.", body=OptOutBody, success=201,
            ),
            Endpoint(
                "DELETE", f"{base}/opt_outs/{{contact_id}}", Scope.WRITE, self.lift,
                "Lift an opt-out that was made here; what the person said, only the person takes back.",
                success=204, query=(COVERS,),
            ),
            Endpoint("GET", words, Scope.READ, self.words, "Read the words by which people opt out and in."),
            Endpoint("PUT", words, Scope.WRITE, self.set_words, "Replace these words.", body=WordsBody),
        ]  # fmt: skip

    async def page(self, request: Request, caller: Caller) -> Response:
        """List opt-outs."""
        query = request.query_params
        check_known(query, FILTERS)
        limit, cursor = page_limit(query.get("limit")), page_cursor(query.get("starting_after"))
        covers, name = one_of(query, "covers", Consent), recipient(query)
        reach = await self._directory.reach(caller.tenant, caller.mode)
        after = await self._met.get(caller.tenant, cursor, reach) if cursor is not None else None
        if cursor is not None and (after is None or "opted_out_at" not in after):
            raise Invalid("starting_after: There is no such opt-out.", code="invalid_field", param="starting_after")
        if name is None:
            rows = await self._met.opted_out(caller.tenant, covers, limit + 1, after, reach)
        else:
            found = await self._met.named(caller.tenant, name, reach)
            withdrawn = found.get("opted_out", []) if found is not None else []
            rows = [found] if found and after is None and (covers in withdrawn if covers else withdrawn) else []
        return JsonAnswer(listing([views.opt_out(row, reach) for row in rows], limit))

    async def add(self, request: Request, caller: Caller) -> Response:
        """Opt somebody out."""
        await self._common.check(caller)
        raw = await read_body(request)
        body = parse(OptOutBody, raw)

        async def call() -> Response:
            request_id = request.scope["wabus.request_id"]
            row = await self._opt_outs.add(caller, request_id, body.to, Consent(body.covers), body.reason)
            return JsonAnswer(views.opt_out(row), 201)

        return await self._guard.once(caller.tenant, key_of(request, raw), call)

    async def lift(self, request: Request, caller: Caller) -> Response:
        """Lift an opt-out."""
        await self._common.check(caller)
        check_known(request.query_params, (COVERS,))
        covers = one_of(request.query_params, "covers", Consent)
        contact_id = request.path_params["contact_id"]
        if not is_uuid(contact_id):
            raise NoSuchOptOut("There is no such opt-out.", param="contact_id")
        await self._opt_outs.lift(caller, request.scope["wabus.request_id"], contact_id, covers)
        return Answer(status_code=204)

    async def words(self, request: Request, caller: Caller) -> Response:
        """Read the words."""
        check_known(request.query_params, ())
        return JsonAnswer(views.opt_out_words(await self._words.get(caller.tenant)))

    async def set_words(self, request: Request, caller: Caller) -> Response:
        """Replace the words."""
        await self._common.check(caller)
        body = parse(WordsBody, await read_body(request))
        lists = {name: None if own is None else tuple(own) for name, own in body.model_dump().items()}
        words = OptOutWords(**lists)
        if (found := clash(words)) is not None:
            name, place, other = found
            path, said = f"{name}.{place}", f"This word stands in {other} too: it can mean one thing only."
            raise Invalid(f"{path}: {said}", code="invalid_field", param=path, errors=[FieldProblem(path, said)])
        await self._words.put(caller.tenant, words)
        return JsonAnswer(views.opt_out_words(words))
