"""Checks of what a bot is made of: an answer is checked as the message that it will be."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from libs.requests.kinds import body_of
from libs.web.errors import FieldProblem, Invalid, wrong
from services.autoreply.bodies import DialogueBody, RuleBody
from services.autoreply.rules import BadPattern, check_pattern

SOMEBODY = {"phone_number_id": "1", "to": "+15550001234"}  # an answer is checked as a message to somebody
OURS = ("phone_number_id", "to", "send_at", "client_ref")  # what an answer cannot say itself

Document = dict[str, Any]


def rules_of(rules: Sequence[RuleBody]) -> list[Document]:
    """Return rules as they are kept. Raises Invalid."""
    kept = []
    for place, rule in enumerate(rules):
        match = _match(rule.match, f"rules.{place}.match")
        for at, answer in enumerate(rule.said):
            where = f"rules.{place}.answer" if rule.answer is not None else f"rules.{place}.answers.{at}"
            check_answer(answer, where)
        kept.append({
            "name": rule.name, "match": match, "answers": rule.said, "handover": rule.handover,
            "dialogue": rule.dialogue,
        })  # fmt: skip
    return kept


def dialogues_of(dialogues: Sequence[DialogueBody]) -> list[Document]:
    """Return dialogues as they are kept. Raises Invalid."""
    kept = []
    for place, dialogue in enumerate(dialogues):
        path, names = f"dialogues.{place}", [step.name for step in dialogue.steps]
        steps = []
        for at, step in enumerate(dialogue.steps):
            here = f"{path}.steps.{at}"
            check_answer(step.ask, f"{here}.ask")
            if step.otherwise is not None:
                check_answer(step.otherwise, f"{here}.otherwise")
            if names.index(step.name) != at:
                raise wrong(f"{here}.name", "Is the name of another step too.")
            for value, name in step.go_to.items():
                if name not in names:
                    raise wrong(f"{here}.go_to.{value[:64]}", f"Must be one of {', '.join(names)}.")
            expect = _match(step.expect, f"{here}.expect") if step.expect is not None else None
            steps.append(step.model_dump(exclude={"expect"}) | {"expect": expect})
        for at, answer in enumerate(dialogue.done):
            check_answer(answer, f"{path}.done.{at}")
        kept.append(dialogue.model_dump(exclude={"steps"}) | {"steps": steps})
    return kept


def check_begins(bot: Document) -> None:
    """Raise Invalid unless every dialogue that a rule begins is there, once."""
    names = [dialogue["name"] for dialogue in bot["dialogues"]]
    for place, name in enumerate(names):
        if names.index(name) != place:
            raise wrong(f"dialogues.{place}.name", "Is the name of another dialogue too.")
    for place, rule in enumerate(bot["rules"]):
        if rule["dialogue"] is not None and rule["dialogue"] not in names:
            raise wrong(f"rules.{place}.dialogue", f"Must be a dialogue of the bot's: {', '.join(names) or 'none'}.")


def _match(given: BaseModel, where: str) -> Document:
    match = given.model_dump(by_alias=True)
    if match["type"] == "pattern":
        try:
            check_pattern(match["value"])
        except BadPattern as error:
            raise wrong(f"{where}.value", f"Must be a regular expression of RE2's: {error}.") from None
    return match


def check_answer(answer: Document, where: str) -> None:
    """Raise Invalid unless the answer, with somebody to go to, is a message."""
    if own := [name for name in OURS if name in answer]:
        raise wrong(f"{where}.{own[0]}", "Is not said in an answer: it goes to who wrote, at once.")
    try:
        body = body_of(answer | SOMEBODY)
    except Invalid as found:
        told = [FieldProblem(f"{where}.{it.path}", it.message) for it in found.errors]
        raise Invalid(
            f"{where}.{found.message}", code=found.code, param=f"{where}.{found.param}", errors=told
        ) from None
    if problems := [FieldProblem(f"{where}.{it.path}", it.message) for it in body.problems()]:
        first = problems[0]
        raise Invalid(f"{first.path}: {first.message}", code="invalid_field", param=first.path, errors=problems)
