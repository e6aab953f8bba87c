"""Rules: whether a message is meant by one, and what the answer says. Pure; patterns by RE2, in linear time."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import re2

from libs.ledger.opt_out_words import plain

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LONGEST_VARIABLE = 1_000  # characters that an answer repeats of what a person wrote: it has to fit into a message
LONGEST_TEXT = 4_096  # characters of a person's text that are looked at: Meta's most
MEMORY = 1 << 20  # bytes that a pattern may take: one that needs more is refused when it is given
_VARIABLE = re.compile(r"\{\{ *([a-z_][a-z0-9_]{0,31}|[0-9]{1,2}) *\}\}")

Document = dict[str, Any]


class BadPattern(Exception):
    """RE2 does not take the pattern; the text says why."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A person's message as rules look at it."""

    type: str
    text: str
    payload: str | None
    at: datetime
    first: bool
    name: str | None
    sender: str

    def variables(self) -> dict[str, str]:
        """Return what answers may name."""
        return {"name": self.name or "", "text": self.text, "phone": self.sender, "payload": self.payload or ""}


def heard_in(content: Any, kind: str) -> tuple[str, str | None]:
    """Return the words of a message (a text, a caption, a button's title) and what was tapped (None: nothing)."""
    found = content if isinstance(content, Mapping) else {}
    if kind == "interactive":
        told = (found.get(name) for name in ("button_reply", "list_reply"))
        reply: Mapping[str, Any] = next((each for each in told if isinstance(each, Mapping)), {})
        return str(reply.get("title", ""))[:LONGEST_TEXT], _text(reply.get("id"))
    if kind == "button":
        return str(found.get("text", ""))[:LONGEST_TEXT], _text(found.get("payload"))
    words = found.get("body") if kind == "text" else found.get("caption")
    return str(words or "")[:LONGEST_TEXT], None


def check_pattern(pattern: str) -> None:
    """Raise BadPattern for what RE2 cannot do, and so cannot do in linear time either."""
    try:
        _compiled(pattern)
    except re2.error as error:
        raise BadPattern(str(error)[:200]) from None


def matched(match: Mapping[str, Any], heard: Heard) -> dict[str, str] | None:
    """Return the variables that a match gives, None where the message is not meant by it."""
    kind, value = match["type"], str(match.get("value", ""))
    if kind == "pattern":
        return _found(value, heard.text)
    if kind == "outside_hours":
        return {} if _is_outside(match, heard.at) else None
    return {} if _is_meant(kind, value, heard) else None


def filled(answer: Any, variables: Mapping[str, str]) -> Any:
    """Return an answer with `{{name}}` replaced wherever texts stand in it; one that nobody knows is left out."""
    if isinstance(answer, str):
        return _VARIABLE.sub(lambda found: variables.get(found[1], "")[:LONGEST_VARIABLE], answer)
    if isinstance(answer, Mapping):
        return {name: filled(value, variables) for name, value in answer.items()}
    if isinstance(answer, Sequence):
        return [filled(value, variables) for value in answer]
    return answer


def _is_meant(kind: str, value: str, heard: Heard) -> bool:
    match kind:
        case "keyword":
            return f" {_words(value)} " in f" {_words(heard.text)} "
        case "exact":
            return heard.text != "" and _plain(value) == _plain(heard.text)
        case "payload":
            return heard.payload == value
        case "first":
            return heard.first
        case _:
            return kind == "any"


def _found(pattern: str, text: str) -> dict[str, str] | None:
    found = _compiled(pattern).search(text)
    if found is None:
        return None
    groups = {str(place): group or "" for place, group in enumerate(found.groups(), 1)}
    return groups | {name: group or "" for name, group in found.groupdict().items()}


@lru_cache(maxsize=2_000)
def _compiled(pattern: str) -> Any:
    options: Any = re2.Options()
    options.log_errors, options.case_sensitive, options.max_mem = False, False, MEMORY
    return re2.compile(pattern, options)


@lru_cache(maxsize=2_000)  # a bot's keywords, and the one text that they are all looked for in
def _words(text: str) -> str:
    """Return a text as keywords are compared with it: punctuation between words is none of them."""
    return " ".join(part for part in (plain(word) for word in re.split(r"[\W_]+", text)) if part)


_plain = lru_cache(maxsize=2_000)(plain)


def _is_outside(match: Mapping[str, Any], at: datetime) -> bool:
    local = at.astimezone(ZoneInfo(match["time_zone"]))
    open_today = DAYS[local.weekday()] in match["days"]
    return not (open_today and time.fromisoformat(match["from"]) <= local.time() < time.fromisoformat(match["to"]))


def _text(value: Any) -> str | None:
    return str(value) if value is not None else None
