"""Dialogues: questions one after the other, each answer kept for what is said later. Pure.

A dialogue is with one person at a time and ends when it is through, when it is not answered in time, or when an answer
leads nowhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from libs.ledger.opt_out_words import plain
from services.autoreply.rules import Heard, filled, matched

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Turn:
    """What is said at a turn of a dialogue, and where it stands after it (None: it is over)."""

    step: str
    answers: Sequence[Document]
    state: Document | None
    handover: bool = False


def begun(bot: Mapping[str, Any], name: str, heard: Heard, variables: Mapping[str, str], now: datetime) -> Turn:
    """Begin a dialogue of the bot's with its first question."""
    dialogue = next(each for each in bot["dialogues"] if each["name"] == name)
    first = dialogue["steps"][0]
    return _ask(bot, dialogue, first, heard, dict(variables), now)


def goes_on(bot: Mapping[str, Any], state: Mapping[str, Any] | None, heard: Heard, now: datetime) -> Turn | None:
    """Take a person's answer; None where there is no dialogue with them, or not any more."""
    if state is None or state["bot_id"] != bot["_id"] or state["until"] <= now:
        return None
    dialogue = next((each for each in bot.get("dialogues", ()) if each["name"] == state["name"]), None)
    step = next((each for each in dialogue["steps"] if each["name"] == state["step"]), None) if dialogue else None
    if dialogue is None or step is None:
        return None  # the bot was changed under it
    saved = dict(state["saved"])
    found = matched(step["expect"], heard) if step.get("expect") else {}
    if found is None:
        again = step.get("otherwise") or step["ask"]
        return Turn(step["name"], [filled(again, heard.variables() | saved)], _state(bot, dialogue, step, saved, now))
    saved |= found | ({step["save"]: heard.text} if step.get("save") else {})
    following = _following(dialogue, step, heard)
    if following is not None:
        return _ask(bot, dialogue, following, heard, saved, now)
    done = [filled(answer, heard.variables() | saved) for answer in dialogue["done"]]
    return Turn(step["name"], done, None, dialogue.get("handover", False))


def _following(dialogue: Mapping[str, Any], step: Mapping[str, Any], heard: Heard) -> Document | None:
    steps = dialogue["steps"]
    ways = {plain(value): name for value, name in (step.get("go_to") or {}).items()}
    name = ways.get(plain(heard.payload or "")) or ways.get(plain(heard.text))
    if name is not None:
        return next((each for each in steps if each["name"] == name), None)
    place = steps.index(step) + 1
    return steps[place] if place < len(steps) else None


def _ask(
    bot: Mapping[str, Any], dialogue: Mapping[str, Any], step: Mapping[str, Any], heard: Heard, saved: dict[str, str],
    now: datetime,
) -> Turn:  # fmt: skip
    asked = filled(step["ask"], heard.variables() | saved)
    return Turn(step["name"], [asked], _state(bot, dialogue, step, saved, now))


def _state(
    bot: Mapping[str, Any], dialogue: Mapping[str, Any], step: Mapping[str, Any], saved: dict[str, str], now: datetime
) -> Document:
    until = now + timedelta(seconds=dialogue["timeout"])
    return {"bot_id": bot["_id"], "name": dialogue["name"], "step": step["name"], "saved": saved, "until": until}
