"""What a bot that thinks is asked, and what it comes to. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from services.autoreply.rules import heard_in

MILLION = 1_000_000  # tokens that a price is of, and parts that money is counted in

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """One message of a conversation, as a model reads it and as a program does."""

    message_id: str
    by_person: bool
    type: str
    text: str
    at: datetime
    content: Any


@dataclass(frozen=True, slots=True)
class Lines:
    """The messages that are to be answered, and those before them, each in their order."""

    fresh: Sequence[Line]
    earlier: Sequence[Line] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens."""

    input: int
    output: int


@dataclass(frozen=True, slots=True)
class Thought:
    """What is to be said and done."""

    answers: Sequence[Document] = field(default=())
    handover: bool = False
    opt_out: bool = False
    usage: Usage | None = None


class NoThought(Exception):
    """There is no answer: `error` is one of the words in the guide, `detail` says more to who runs the endpoint."""

    def __init__(self, error: str, detail: str | None = None, usage: Usage | None = None) -> None:
        super().__init__(error)
        self.error = error
        self.detail = detail
        self.usage = usage


def line_of(message_id: str, by_person: bool, kind: str, content: Any, at: datetime) -> Line:
    """Return a message as a line; what has no words is named in brackets."""
    text, _ = heard_in(content, kind) if by_person else (_said(content, kind), None)
    return Line(message_id, by_person, kind, text or f"[{kind}]", at, content)


def cost(usage: Usage, prices: Mapping[str, Any]) -> int:
    """Return what tokens cost, in millionths of the currency's unit."""
    spent = usage.input * Decimal(prices["input"]) + usage.output * Decimal(prices["output"])
    return int(spent.to_integral_value())  # a price is of a million tokens: so millionths are tokens times price


def money(millionths: int) -> str:
    """Print millionths of a currency's unit."""
    return format((Decimal(millionths) / MILLION).normalize() if millionths else Decimal(0), "f")


def spent_today(bot: Mapping[str, Any], spent: Mapping[str, int]) -> Document:
    """Return what a model took today, as its endpoint says it, with what is under way."""
    prices = bot["model"].get("prices")
    cost = {"amount": money(spent["millionths"]), "currency": prices["currency"]} if prices is not None else None
    return {"tokens": spent["tokens"], "cost": cost}


def _said(content: Any, kind: str) -> str:
    """Return the words of a message that we sent."""
    found = content if isinstance(content, Mapping) else {}
    if kind == "interactive":
        body = found.get("body")
        return str(body.get("text", "")) if isinstance(body, Mapping) else ""
    return str(found.get("body") or found.get("caption") or "")
