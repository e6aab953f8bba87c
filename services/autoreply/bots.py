"""What a tenant does with its bots."""

from collections.abc import Sequence
from typing import Any

from libs.directory.directory import Directory
from libs.requests.kinds import body_of
from libs.runtime.clock import Clock
from libs.runtime.ids import new_id
from libs.web.errors import Conflict, FieldProblem, Invalid
from services.autoreply.bodies import CreateBody, RuleBody, UpdateBody
from services.autoreply.bot_store import MOST, BotStore
from services.autoreply.errors import NoSuchBot, TooManyBots
from services.autoreply.rules import BadPattern, check_pattern

SOMEBODY = {"phone_number_id": "1", "to": "+15550001234"}  # an answer is checked as a message to somebody
OURS = ("phone_number_id", "to", "send_at", "client_ref")  # what an answer cannot say itself

Document = dict[str, Any]


class Bots:
    """Makes, changes and deletes bots of one tenant at a time."""

    def __init__(self, store: BotStore, directory: Directory, clock: Clock) -> None:
        self._store = store
        self._directory = directory
        self._clock = clock

    async def create(self, tenant: str, body: CreateBody) -> Document:
        """Make a bot. Raises Invalid naming what is wrong with a rule, and TooManyBots."""
        now = self._clock.now()
        bot = {
            "_id": new_id(), "tenant": tenant, "name": body.name, "kind": body.kind, "rules": _rules(body.rules),
            "opt_out_answer": body.opt_out_answer, "created_at": now, "updated_at": now,
        }  # fmt: skip
        if not await self._store.add(bot):
            raise TooManyBots(f"There may be {MOST} bots; delete one that is not used.")
        return bot

    async def get(self, tenant: str, bot_id: str) -> Document:
        """Return a bot. Raises NoSuchBot."""
        if (bot := await self._store.get(tenant, bot_id)) is None:
            raise _unknown()
        return bot

    async def page(self, tenant: str, limit: int, after: str | None) -> list[Document]:
        """Return bots, newest first."""
        return await self._store.page(tenant, limit, after)

    async def update(self, tenant: str, bot_id: str, body: UpdateBody) -> Document:
        """Change what is given. Raises NoSuchBot, and Invalid."""
        fields = {name: getattr(body, name) for name in body.model_fields_set}
        if body.rules is not None:
            fields["rules"] = _rules(body.rules)
        missing = [name for name in ("name", "rules") if name in fields and fields[name] is None]
        if missing:
            raise _wrong(missing[0], "Must not be null.")
        if (bot := await self._store.change(tenant, bot_id, fields, self._clock.now())) is None:
            raise _unknown()
        return bot

    async def remove(self, tenant: str, bot_id: str) -> None:
        """Delete a bot that no number is linked to. Raises NoSuchBot, and Conflict naming the numbers."""
        numbers = [it.phone_number_id for it in await self._directory.numbers_now(tenant) if it.bot_id == bot_id]
        if numbers:
            words = f"The bot is linked to {', '.join(numbers)}: unlink it there first."
            raise Conflict(words, code="bot_linked", param="bot_id", more={"phone_number_ids": numbers})
        if not await self._store.remove(tenant, bot_id):
            raise _unknown()


def _rules(rules: Sequence[RuleBody]) -> list[Document]:
    """Return rules as they are kept. Raises Invalid."""
    kept = []
    for place, rule in enumerate(rules):
        match = rule.match.model_dump(by_alias=True)
        if match["type"] == "pattern":
            try:
                check_pattern(match["value"])
            except BadPattern as error:
                raise _wrong(f"rules.{place}.match.value", f"Must be a regular expression of RE2's: {error}.") from None
        for at, answer in enumerate(rule.said):
            where = f"rules.{place}.answer" if rule.answer is not None else f"rules.{place}.answers.{at}"
            _check_answer(answer, where)
        kept.append({"name": rule.name, "match": match, "answers": rule.said, "handover": rule.handover})
    return kept


def _check_answer(answer: Document, where: str) -> None:
    """Raise Invalid unless the answer, with somebody to go to, is a message."""
    if own := [name for name in OURS if name in answer]:
        raise _wrong(f"{where}.{own[0]}", "Is not said in an answer: it goes to who wrote, at once.")
    try:
        body = body_of(answer | SOMEBODY)
    except Invalid as wrong:
        problems = [FieldProblem(f"{where}.{it.path}", it.message) for it in wrong.errors]
        raise Invalid(
            f"{where}.{wrong.message}", code=wrong.code, param=f"{where}.{wrong.param}", errors=problems
        ) from None
    if found := list(body.problems()):
        raise Invalid(
            f"{where}.{found[0].path}: {found[0].message}", code="invalid_field", param=f"{where}.{found[0].path}",
            errors=[FieldProblem(f"{where}.{it.path}", it.message) for it in found],
        )  # fmt: skip


def _wrong(path: str, words: str) -> Invalid:
    return Invalid(f"{path}: {words}", code="invalid_field", param=path, errors=[FieldProblem(path, words)])


def _unknown() -> NoSuchBot:
    return NoSuchBot("You have no bot with this id.", param="bot_id")
