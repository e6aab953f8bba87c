"""What a tenant does with its bots."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from libs.directory.directory import Directory
from libs.requests.kinds import body_of
from libs.runtime.clock import Clock
from libs.runtime.ids import new_id
from libs.web.errors import Conflict, FieldProblem, Invalid
from services.autoreply.bodies import CreateBody, DialogueBody, RuleBody, UpdateBody
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
            "dialogues": _dialogues(body.dialogues), "opt_out_answer": body.opt_out_answer, "created_at": now,
            "updated_at": now,
        }  # fmt: skip
        _check_begins(bot)
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
        missing = [name for name in ("name", "rules", "dialogues") if name in fields and fields[name] is None]
        if missing:
            raise _wrong(missing[0], "Must not be null.")
        if body.rules is not None:
            fields["rules"] = _rules(body.rules)
        if body.dialogues is not None:
            fields["dialogues"] = _dialogues(body.dialogues)
        _check_begins(await self.get(tenant, bot_id) | fields)
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
        match = _match(rule.match, f"rules.{place}.match")
        for at, answer in enumerate(rule.said):
            where = f"rules.{place}.answer" if rule.answer is not None else f"rules.{place}.answers.{at}"
            _check_answer(answer, where)
        kept.append({
            "name": rule.name, "match": match, "answers": rule.said, "handover": rule.handover,
            "dialogue": rule.dialogue,
        })  # fmt: skip
    return kept


def _dialogues(dialogues: Sequence[DialogueBody]) -> list[Document]:
    """Return dialogues as they are kept. Raises Invalid."""
    kept = []
    for place, dialogue in enumerate(dialogues):
        path, names = f"dialogues.{place}", [step.name for step in dialogue.steps]
        steps = []
        for at, step in enumerate(dialogue.steps):
            here = f"{path}.steps.{at}"
            _check_answer(step.ask, f"{here}.ask")
            if step.otherwise is not None:
                _check_answer(step.otherwise, f"{here}.otherwise")
            if names.index(step.name) != at:
                raise _wrong(f"{here}.name", "Is the name of another step too.")
            for value, name in step.go_to.items():
                if name not in names:
                    raise _wrong(f"{here}.go_to.{value[:64]}", f"Must be one of {', '.join(names)}.")
            expect = _match(step.expect, f"{here}.expect") if step.expect is not None else None
            steps.append(step.model_dump(exclude={"expect"}) | {"expect": expect})
        for at, answer in enumerate(dialogue.done):
            _check_answer(answer, f"{path}.done.{at}")
        kept.append(dialogue.model_dump(exclude={"steps"}) | {"steps": steps})
    return kept


def _check_begins(bot: Document) -> None:
    """Raise Invalid unless every dialogue that a rule begins is there, once."""
    names = [dialogue["name"] for dialogue in bot["dialogues"]]
    for place, name in enumerate(names):
        if names.index(name) != place:
            raise _wrong(f"dialogues.{place}.name", "Is the name of another dialogue too.")
    for place, rule in enumerate(bot["rules"]):
        if rule["dialogue"] is not None and rule["dialogue"] not in names:
            raise _wrong(f"rules.{place}.dialogue", f"Must be a dialogue of the bot's: {', '.join(names) or 'none'}.")


def _match(given: BaseModel, where: str) -> Document:
    match = given.model_dump(by_alias=True)
    if match["type"] == "pattern":
        try:
            check_pattern(match["value"])
        except BadPattern as error:
            raise _wrong(f"{where}.value", f"Must be a regular expression of RE2's: {error}.") from None
    return match


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
