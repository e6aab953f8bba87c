"""Creating, editing and deleting templates at Meta, and what our projection says of it afterwards.

A row stands only with Meta's id. Where Meta's answer is lost, Meta is asked what became of it; where that fails too,
a sync is left to find out, and the caller is told that nobody knows.
"""

import asyncio
from datetime import timedelta
from typing import Any

from libs.directory.entries import AccountEntry
from libs.graph.errors import GraphFailure, GraphRefused, GraphUnavailable
from libs.graph.templates import GraphTemplates
from libs.runtime.clock import Clock
from libs.runtime.ids import new_id
from libs.web.errors import Invalid, OutcomeUnclear
from libs.web.identity import Identity
from services.templates.accounts import Accounts
from services.templates.bodies import CreateBody, EditBody
from services.templates.components import problems, ttl_problem
from services.templates.errors import NoSuchTemplate, TemplateConflict, is_gone, refused, wrong
from services.templates.readings import projection
from services.templates.service import TemplateKeeper
from services.templates.store import JobStore, TemplateStore

SOON = timedelta(seconds=2)  # until a sync looks what became of a call
MOST_READINGS = 3  # of a template that changes while we read it
ASK_AGAIN_WITHIN = 10.0  # seconds for the look at what became of a lost answer: the caller waits 35 s in all
Document = dict[str, Any]


class TemplateAuthor:
    """Writes templates. Raises ApiError: what is wrong with it, or what Meta said."""

    def __init__(
        self, store: TemplateStore, jobs: JobStore, accounts: Accounts, graph: GraphTemplates, keeper: TemplateKeeper,
        clock: Clock,
    ) -> None:  # fmt: skip
        self._store = store
        self._jobs = jobs
        self._accounts = accounts
        self._graph = graph
        self._keeper = keeper
        self._clock = clock

    async def create(self, caller: Identity, body: CreateBody) -> Document:
        """Create a template; -> its row."""
        _check(body.category, body.parameter_format, body.components, body.message_send_ttl_seconds)
        account = await self._accounts.chosen(caller, body.waba_id)
        waba_id, token = account.waba_id, account.access_token.get_secret_value()
        asked = body.model_dump(exclude={"waba_id"}, exclude_none=True)
        try:
            answer = await self._graph.create(waba_id, token, asked)
            fields = await self._read(token, asked | answer)
        except GraphRefused as failure:
            answered = refused(failure, "create the template")
            if answered.public_code == "template_exists":  # perhaps by an earlier call whose answer was lost
                await self._sync_later(caller.tenant, waba_id)
            raise answered from None
        except GraphUnavailable as failure:
            fields = await self._created_after_all(caller.tenant, account, body, failure)
        row = await self._store.put(caller.tenant, waba_id, fields, self._clock.now())
        await self._keeper.tell()
        return row

    async def edit(self, caller: Identity, template_id: str, body: EditBody) -> Document:
        """Change a template, which Meta then reviews again; -> its row."""
        row = await self._reached(caller, template_id)
        if not (asked := body.model_dump(exclude_none=True)):
            words = "Name what is to change: components, category or message_send_ttl_seconds."
            raise Invalid(words, code="missing_field")
        category = body.category or row["category"]
        _check(category, row["parameter_format"], body.components, body.message_send_ttl_seconds)
        account = await self._accounts.of(caller.tenant, row["waba_id"])
        token = account.access_token.get_secret_value()
        try:
            await self._graph.edit(row["meta_id"], token, asked)
        except GraphFailure as failure:
            if isinstance(failure, GraphRefused):
                answered = refused(failure, "change the template")
                if answered.public_code == "template_out_of_reach":
                    await self._sync_later(caller.tenant, row["waba_id"])  # which tells whether it is gone
                raise answered from None
            await self._changed_after_all(caller.tenant, account, row, asked, failure)
        changed = await self._note_change(row, asked, token)
        await self._keeper.tell()
        return changed

    async def _note_change(self, row: Document, asked: Document, token: str) -> Document:
        """Write down what Meta has now; again where a webhook came in between, which knows better than our reading."""
        template_id = row["_id"]
        for _ in range(MOST_READINGS):
            known = {"id": row["meta_id"], "status": "PENDING", "quality_score": row.get("quality")}
            fields = await self._read(token, row | asked | known)
            if (changed := await self._store.update(row, fields, self._clock.now())) is not None:
                return changed
            row = await self._row(row["tenant"], template_id)
        return row

    async def delete(self, caller: Identity, template_id: str) -> None:
        """Delete one template, in its language only."""
        row = await self._reached(caller, template_id)
        account = await self._accounts.of(caller.tenant, row["waba_id"])
        await self._delete(caller.tenant, account, row["name"], [row], row["meta_id"])

    async def delete_named(self, caller: Identity, name: str, waba_id: str | None) -> None:
        """Delete a template in all its languages."""
        reach = await self._accounts.reach(caller)
        rows = [row for row in await self._store.named(caller.tenant, name) if reach.has_account(row["waba_id"])]
        account = await self._accounts.chosen(caller, waba_id, {row["waba_id"] for row in rows})
        mine = [row for row in rows if row["waba_id"] == account.waba_id]
        if not mine:
            raise NoSuchTemplate("There is no template of this name.", param="name")
        await self._delete(caller.tenant, account, name, mine, None)

    async def _delete(
        self, tenant: str, account: AccountEntry, name: str, rows: list[Document], meta_id: str | None
    ) -> None:
        token = account.access_token.get_secret_value()
        try:
            await self._graph.delete(account.waba_id, token, name, meta_id)
        except GraphRefused as failure:
            if not is_gone(failure):
                raise refused(failure, "delete the template") from None
        except GraphUnavailable as failure:
            there = await self._looked_up(tenant, account, name, failure)
            if any(each["id"] == row["meta_id"] for each in there for row in rows):
                raise refused(failure, "delete the template") from None
        await self._forget(tenant, rows)

    async def _forget(self, tenant: str, rows: list[Document]) -> None:
        await self._store.forget(tenant, rows, self._clock.now())
        await self._keeper.tell()

    async def _reached(self, caller: Identity, template_id: str) -> Document:
        row = await self._row(caller.tenant, template_id)
        if not (await self._accounts.reach(caller)).has_account(row["waba_id"]):
            raise _unknown()
        return row

    async def _row(self, tenant: str, template_id: str) -> Document:
        row = await self._store.get(tenant, template_id)
        if row is None:
            raise _unknown()
        return row

    async def _read(self, token: str, known: Document) -> Document:
        """Return a template as Meta has it now; where it cannot be read, what is known of it."""
        try:
            async with asyncio.timeout(ASK_AGAIN_WITHIN):
                return projection(known | await self._graph.read(str(known["id"]), token))
        except (GraphFailure, TimeoutError):
            return projection(known)

    async def _created_after_all(
        self, tenant: str, account: AccountEntry, body: CreateBody, failure: GraphUnavailable
    ) -> Document:
        """Find the template of a call whose answer was lost; raises what to tell where it is not there."""
        known = {row["meta_id"] for row in await self._store.named(tenant, body.name)}
        for each in await self._looked_up(tenant, account, body.name, failure):
            if each["language"] == body.language:
                if each["id"] in known:
                    words = "There is a template of this name in this language already."
                    raise TemplateConflict(words, code="template_exists", param="name")
                return projection(each)
        await self._sync_later(tenant, account.waba_id)  # it may come into being still
        raise refused(failure, "create the template")

    async def _changed_after_all(
        self, tenant: str, account: AccountEntry, row: Document, asked: Document, failure: GraphFailure
    ) -> None:
        """Look whether a change whose answer was lost took place; raises what to tell where it did not."""
        there = await self._looked_up(tenant, account, row["name"], failure)
        now = next((projection(each) for each in there if each["id"] == row["meta_id"]), None)
        wanted = {name: value for name, value in asked.items() if name != "components"}
        if now is None or any(now[name] != value for name, value in wanted.items()) or now["status"] == row["status"]:
            raise refused(failure, "change the template")

    async def _looked_up(self, tenant: str, account: AccountEntry, name: str, failure: GraphFailure) -> list[Document]:
        """Read what Meta has of a name; where it does not say, leave it to a sync and say that nobody knows."""
        try:
            async with asyncio.timeout(ASK_AGAIN_WITHIN):
                return await self._graph.named(account.waba_id, account.access_token.get_secret_value(), name)
        except (GraphFailure, TimeoutError):
            await self._sync_later(tenant, account.waba_id)
            words = "Meta did not say what became of it; look at GET /templates in a minute, or ask again."
            raise OutcomeUnclear(words, retry_after=30) from failure

    async def _sync_later(self, tenant: str, waba_id: str) -> None:
        """Leave a sync behind that is taken up in a few seconds, by whichever process of ours lives then."""
        now, job_id = self._clock.now(), new_id()
        await self._jobs.open(job_id, tenant, [waba_id], now)
        await self._jobs.put_off(job_id, [now + SOON])


def _unknown() -> NoSuchTemplate:
    return NoSuchTemplate("There is no such template.", param="template_id")


def _check(category: str, parameter_format: str, components: list[Document] | None, ttl: int | None) -> None:
    found = [] if components is None else problems(category, parameter_format, components)
    if (problem := ttl_problem(category, ttl)) is not None:
        found.append(problem)
    if found:
        raise wrong(found)
