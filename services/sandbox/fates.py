"""What becomes of an accepted message: statuses, a failure, an answer. Decided once, when it is accepted."""

import random
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import phonenumbers

from services.sandbox.behaviour import Timing
from services.sandbox.errors import FAILURE_DETAILS

# Recipients with a fixed behaviour: +1 555 0100 00NN. The README lists them.
FIXED = "155501000"
DELIVERED, READS, NOT_ON_WHATSAPP, BLOCKS, ANSWERS, STOPS, OPTED_OUT, PHONE_OFF, CAPPED, TAPS = (
    f"{FIXED}{n:02d}" for n in range(10)
)
FAILS_WITH = "15550"  # +1 5550 and a code of six digits: fails with that code, for example +1 5550 131047
UNREACHABLE_DOMAIN = ".invalid"  # reserved by RFC 2606: a link there cannot be downloaded
MEDIA_KINDS = {"image": "image/", "video": "video/", "audio": "audio/", "sticker": "image/webp", "document": ""}


@dataclass(frozen=True)
class Step:
    """One status: how long after the one before it comes, and why when it is `failed`."""

    status: str
    delay: float
    code: int | None = None
    details: str | None = None


@dataclass(frozen=True)
class Fate:
    """The statuses of a message in order, and what the person writes then (as `POST /_sandbox/inbound` takes it)."""

    steps: list[Step]
    answer: dict[str, Any] | None = None


@dataclass(frozen=True)
class Circumstances:
    """All that decides on a message's fate beside chance."""

    person: str
    type: str
    known: bool = True  # a business-scoped user id that nobody has is not
    category: str | None = None  # of the template, lower case; None: free-form
    window_open: bool = True
    opted_out: bool = False
    blocked: bool = False
    within_limit: bool = True
    limit_code: int = 131048
    within_cap: bool = True
    content_problem: int | None = None
    content: dict[str, Any] = field(default_factory=dict)


def decide(case: Circumstances, timing: Timing, dice: random.Random) -> Fate:
    """Return the fate of an accepted message."""
    code = failure(case)
    if code is not None:
        return Fate([Step("failed", timing.sent.draw(dice), code, FAILURE_DETAILS.get(code))])
    sent = Step("sent", timing.sent.draw(dice))
    if case.type == "reaction" or case.person == PHONE_OFF:
        return Fate([sent])
    delivered, read = Step("delivered", timing.delivered.draw(dice)), Step("read", timing.read.draw(dice))
    if case.person == READS:  # Meta leaves `delivered` out when the message is read at once
        return Fate([sent, Step("read", delivered.delay)])
    if case.person in (ANSWERS, STOPS, TAPS):
        return Fate([sent, delivered, read], _fixed_answer(case, timing))
    steps = [sent, delivered]
    if case.person != DELIVERED and dice.random() < timing.read_share:
        steps.append(read)
    answers = case.person != DELIVERED and timing.answer_share > 0 and dice.random() < timing.answer_share
    return Fate(steps, _text(timing.answer_text) if answers else None)


def failure(case: Circumstances) -> int | None:
    """Return the code that an accepted message fails with, None when it goes through."""
    if not case.known or case.person == NOT_ON_WHATSAPP or case.blocked or case.person == BLOCKS:
        return 131026
    if case.person.startswith(FAILS_WITH) and int(case.person[5:] or 0) in _ASYNCHRONOUS:
        return int(case.person[5:])
    if case.category is None and not case.window_open:
        return 131047
    if case.content_problem is not None:
        return case.content_problem
    if case.category == "marketing":
        return _marketing_failure(case)
    return case.limit_code if not case.within_limit else None


def _marketing_failure(case: Circumstances) -> int | None:
    if case.opted_out or case.person == OPTED_OUT:
        return 131050
    if case.person == CAPPED or not case.within_cap or is_us_number(case.person):
        return 131049
    return case.limit_code if not case.within_limit else None


def media_problem(link: str | None, mime_type: str | None, kind: str) -> int | None:
    """Return 131053 when a link cannot be downloaded, or an id is unknown or of another kind; that shows only later."""
    if link is not None:
        return 131053 if (urlsplit(link).hostname or "").endswith(UNREACHABLE_DOMAIN) else None
    return None if mime_type is not None and mime_type.startswith(MEDIA_KINDS[kind]) else 131053


def is_us_number(person: str) -> bool:
    """Tell whether a `wa_id` is +1 with a US area code: no marketing templates go there since 2025-04-01."""
    return len(person) == 11 and person[0] == "1" and _is_us_area(person[1:4])


@lru_cache(maxsize=1000)  # there are at most 800 area codes
def _is_us_area(area: str) -> bool:
    number = phonenumbers.parse(f"+1{area}2345678")  # any subscriber: the area decides
    return phonenumbers.region_code_for_number(number) == "US"


# Codes that come in a `failed` status: the recipients `+1 5550 <code>` fail with them.
_ASYNCHRONOUS = frozenset({
    130429, 130472, 130497, 131000, 131009, 131016, 131026, 131031, 131036, 131037, 131042, 131044, 131047, 131048,
    131049, 131050, 131053, 131056, 132015, 135000, 137000,
})  # fmt: skip


def _text(body: str) -> dict[str, Any]:
    return {"type": "text", "text": {"body": body}}


def _fixed_answer(case: Circumstances, timing: Timing) -> dict[str, Any]:
    if case.person == STOPS:
        return _text("STOP")
    if case.person == TAPS:
        return _tap(case)
    return _text(timing.answer_text)


def _tap(case: Circumstances) -> dict[str, Any]:
    """Tap the first reply button or row that the message offers; answer with words when it offers none."""
    if case.type == "template":
        return {"type": "button", "button": {"payload": "tapped", "text": "tapped"}}
    action = case.content.get("interactive", {}).get("action", {})
    if action.get("buttons"):
        reply = action["buttons"][0]["reply"]
        return {"type": "interactive", "interactive": {"type": "button_reply", "button_reply": reply}}
    if action.get("sections") and action["sections"][0].get("rows"):
        row = action["sections"][0]["rows"][0]
        return {"type": "interactive", "interactive": {"type": "list_reply", "list_reply": row}}
    return _text("tapped")
