"""Asking the customer's own program: the event that it gets, and what its answer means. Pure."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from libs.runtime.clock import rfc3339
from libs.web.errors import Invalid
from services.autoreply.bodies import MOST_ANSWERS
from services.autoreply.checks import check_answer
from services.autoreply.thoughts import Line, Lines, NoThought, Thought

LONGEST_ANSWER = 256 * 1024  # bytes that are read: five messages have far fewer
EVENT = "bot.messages"
NOTHING = 204  # the status of an answer without messages

Document = dict[str, Any]


def question(bot: Mapping[str, Any], turn: Mapping[str, Any], lines: Lines, event_id: str, now: datetime) -> bytes:
    """Return the event: what a person wrote, and what was said before."""
    said = {name: turn[name] for name in ("conversation_id", "contact_id", "phone_number_id")}
    data = {"bot_id": bot["_id"]} | said | {
        "from": turn["to"], "profile_name": turn["profile_name"],
        "messages": [_shown(line) for line in lines.fresh], "history": [_shown(line) for line in lines.earlier],
    }  # fmt: skip
    return json.dumps({"type": EVENT, "id": event_id, "created_at": rfc3339(now), "data": data}).encode()


def answer_in(status: int, raw: bytes) -> Thought:
    """Return what an answer means. Raises NoThought, where a message is wrong with its path and what is allowed."""
    if len(raw) > LONGEST_ANSWER:
        raise NoThought("answer_too_long")
    if status == NOTHING:
        return Thought()
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        raise NoThought("answer_unreadable") from None
    if not isinstance(found, dict):
        raise NoThought("answer_unreadable", "Must be an object.")
    if unknown := sorted(set(found) - {"messages", "handover"}):
        raise NoThought("answer_invalid", f"{unknown[0][:64]}: This field is not known.")
    messages, handover = found.get("messages", []), found.get("handover", False)
    if not isinstance(handover, bool):
        raise NoThought("answer_invalid", "handover: Must be true or false.")
    if not isinstance(messages, list) or len(messages) > MOST_ANSWERS:
        raise NoThought("answer_invalid", f"messages: Must be a list of at most {MOST_ANSWERS}.")
    for place, message in enumerate(messages):
        _check(message, f"messages.{place}")
    return Thought(messages, handover=handover)


def _check(message: Any, path: str) -> None:
    if not isinstance(message, dict):
        raise NoThought("answer_invalid", f"{path}: Must be an object.")
    try:
        check_answer(message, path)
    except Invalid as wrong:
        raise NoThought("answer_invalid", wrong.message[:300]) from None
    except ValueError:  # text that is no Unicode
        raise NoThought("answer_invalid", f"{path}: Must be text.") from None


def _shown(line: Line) -> Document:
    said = {"message_id": line.message_id, "direction": "inbound" if line.by_person else "outbound", "type": line.type}
    return said | {"at": rfc3339(line.at), "text": line.text, "content": line.content}
