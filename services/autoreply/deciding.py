"""Whether a bot answers, and with what. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from libs.ledger.contacts import Contact
from services.autoreply.dialogues import begun, goes_on
from services.autoreply.rules import Heard, filled, matched

# What a person says to somebody. Reactions, edits, and what the phone says by itself are none of it.
ANSWERABLE = frozenset({
    "text", "button", "interactive", "image", "audio", "video", "document", "sticker", "location", "contacts", "order",
})  # fmt: skip
IN_A_GROUP = (
    "group"  # what a message counts as that was said in one: others read it, and an answer would go to one person
)
LOOP_WITHIN, LOOP_MOST = timedelta(minutes=1), 15  # a person does not write faster; another bot does
LOOP_WITHIN_LONG, LOOP_MOST_LONG = timedelta(minutes=10), 30

RULES = "rules"  # the kind of bot that decides at once

Document = dict[str, Any]


class Outcome(StrEnum):
    """What became of an inbound message of a number with a bot."""

    ANSWERED = "answered"
    WAITING = "waiting"  # for more messages, and for whoever thinks
    JOINED = "joined"  # answered together with a later message
    FALLBACK = "fallback"  # no answer came, and the bot's sentence for that was said
    FAILED = "failed"  # no answer came
    SILENT = "silent"  # whoever thinks wants nothing said
    RATE_LIMITED = "rate_limited"
    SWITCHED_OFF = "switched_off"  # or unlinked, or deleted, before it was thought about
    NO_RULE = "no_rule"
    NOT_ANSWERABLE = "not_answerable"
    STALE = "stale"
    HANDED_OVER = "handed_over"
    AGENT_ACTIVE = "agent_active"
    OPT_OUT = "opt_out"
    OPTED_OUT = "opted_out"
    LOOP = "loop"


@dataclass(frozen=True, slots=True)
class Circumstances:
    """All that decides beside the rules."""

    now: datetime
    stale_after: timedelta
    handed_over: bool = False
    agent_active: bool = False
    opted_out_of_all: bool = False
    opts_out: bool = False
    answered_at: Sequence[datetime] = ()
    dialogue: Mapping[str, Any] | None = None

    @classmethod
    def of(
        cls, now: datetime, stale_after: timedelta, talk: Mapping[str, Any], contact: Contact | None, *,
        opts_out: bool = False,
    ) -> Self:  # fmt: skip
        """Return what is remembered of a conversation and its person as circumstances."""
        return cls(
            now, stale_after,
            handed_over="handed_over_at" in talk,
            agent_active="silent_until" in talk and talk["silent_until"] > now,
            opted_out_of_all=contact is not None and contact.opted_out_of_all,
            opts_out=opts_out,
            answered_at=talk.get("answered_at", ()),
            dialogue=talk.get("dialogue"),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome, the rule or step it was by, the messages to send in their order, whether a person takes over, and
    where a dialogue stands after it (None: there is none).
    """

    outcome: Outcome
    rule: str | None = None
    answers: Sequence[Document] = field(default=())
    handover: bool = False
    dialogue: Document | None = None


def decide(bot: Mapping[str, Any], heard: Heard, case: Circumstances) -> Decision:
    """Decide about one message. An opt-out is confirmed where the bot has words for it, and answered by no rule."""
    if (why := silence(heard.type, heard.at, case)) is not None:
        return Decision(why)
    if case.opts_out:
        words = bot.get("opt_out_answer")
        return Decision(Outcome.OPT_OUT, answers=[{"type": "text", "text": words}] if words else [])
    if bot.get("kind", RULES) != RULES:
        return Decision(Outcome.WAITING)
    if (turn := goes_on(bot, case.dialogue, heard, case.now)) is not None:
        step = f"dialogues.{(case.dialogue or {})['name']}.{turn.step}"
        return Decision(Outcome.ANSWERED, step, turn.answers, turn.handover, turn.state)
    for place, rule in enumerate(bot["rules"]):
        variables = matched(rule["match"], heard)
        if variables is not None:
            known = heard.variables() | variables
            name = rule.get("name") or f"rules.{place}"
            answers = [filled(answer, known) for answer in rule["answers"]]
            if (dialogue := rule.get("dialogue")) is not None:
                turn = begun(bot, dialogue, heard, variables, case.now)
                return Decision(Outcome.ANSWERED, name, [*answers, *turn.answers], False, turn.state)
            return Decision(Outcome.ANSWERED, name, answers, rule.get("handover", False))
    return Decision(Outcome.NO_RULE)


def silence(kind: str, at: datetime, case: Circumstances) -> Outcome | None:
    """Return why nobody answers a message of a type that was written at a time, whatever the rules say."""
    if kind not in ANSWERABLE:
        return Outcome.NOT_ANSWERABLE
    if case.now - at > case.stale_after:
        return Outcome.STALE
    if case.handed_over:
        return Outcome.HANDED_OVER
    if case.agent_active:
        return Outcome.AGENT_ACTIVE
    if case.opted_out_of_all and not case.opts_out:
        return Outcome.OPTED_OUT
    return Outcome.LOOP if _is_loop(case) else None


def _is_loop(case: Circumstances) -> bool:
    def within(span: timedelta) -> int:
        return sum(1 for at in case.answered_at if case.now - at < span)

    return within(LOOP_WITHIN) >= LOOP_MOST or within(LOOP_WITHIN_LONG) >= LOOP_MOST_LONG
