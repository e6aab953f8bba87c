"""What a message costs, by Meta's word on its price class and the rate card of the day.

Meta charges on delivery: what failed, or was never delivered, costs nothing. Per message since 2025-07-01 (`PMP`);
before that per conversation (`CBP`), where the first delivered message of a billing conversation opened it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from libs.pricing.rate_card import RateCard, card_at, conversation_card, one_spelling
from services.analytics.buckets import bucket_of
from services.analytics.stages import Row, stages_of

# Meta's price classes, and so the categories that may be asked for; a metric counts another one as `other`.
CATEGORIES = (
    "marketing", "utility", "authentication", "service", "authentication_international", "marketing_lite",
    "referral_conversion", "general_purpose_ai", "group_marketing", "group_utility", "group_service",
)  # fmt: skip
PER_MESSAGE, PER_CONVERSATION = "PMP", "CBP"
REGULAR, FREE_KINDS = "regular", "free_"  # Meta's types of price: the one that is charged, and how the others begin
Cards = Callable[[datetime], RateCard]  # the card of a time

_STATUSES = ("sent", "delivered", "read")  # in the order of Meta's later word


@dataclass(frozen=True, slots=True)
class Charge:
    """One message's charge. `amount` is None where nobody knows it, 0 where it is free; of a message that is charged by
    its conversation it is what the whole conversation costs.

    `billable` is None where Meta's word on the price is still missing; then nothing is booked yet.
    """

    at: datetime
    billable: bool | None
    category: str | None = None
    pricing_model: str | None = None
    pricing_type: str | None = None
    market: str | None = None
    currency: str | None = None
    rate_card: str | None = None
    amount: Decimal | None = None
    conversation: str | None = None

    @property
    def opens(self) -> bool:
        """Whether it is its billing conversation that is charged: once, for the message that opened it."""
        return bool(self.billable) and self.pricing_model == PER_CONVERSATION and self.conversation is not None

    @property
    def word(self) -> tuple[Any, ...]:
        """What Meta said, without the price that our cards make of it: while it stays, so does what was booked."""
        named = (self.category, self.pricing_model, self.pricing_type, self.conversation)
        return (bucket_of(self.at), self.billable, *named)


def charge_of(rows: Sequence[Row], cards: Cards = card_at) -> Charge | None:
    """Return a message's charge by all that is known of it, None before it is delivered."""
    at = stages_of(rows).get("delivered")
    if at is None:
        return None
    pricing = _word_on_price(rows)
    billable = _billable(pricing)
    if billable is None:
        return Charge(at, None)
    said: dict[str, Any] = {
        "category": one_spelling(pricing["category"]) if pricing.get("category") else None,
        "pricing_model": pricing.get("pricing_model"),
        "pricing_type": _lower(pricing.get("type")),
        "conversation": conversation_of(rows),
    }
    if not billable:
        return Charge(at, False, amount=Decimal(0), **said)
    card, country = _card(at, said, cards), rows[0].get("country")
    market = card.market_of_country(country) if card is not None and country else None
    if card is None or market is None:
        return Charge(at, True, **said)  # in a way of which no card speaks, or to nobody knows where
    amount = card.price(market, said["category"] or "")
    return Charge(
        at, True, market=market, currency=card.currency, rate_card=card.version, amount=amount, **said
    )  # fmt: skip


def conversation_of(rows: Sequence[Row]) -> str | None:
    """Return Meta's id of the billing conversation that a message is of, by its earliest status that names one."""
    named = {row["status"]: row["billing"]["id"] for row in rows if row.get("billing")}
    return next((named[status] for status in _STATUSES if status in named), next(iter(named.values()), None))


def _card(at: datetime, said: Mapping[str, Any], cards: Cards) -> RateCard | None:
    if said["pricing_model"] == PER_MESSAGE:
        return cards(at)
    return conversation_card() if said["pricing_model"] == PER_CONVERSATION and said["conversation"] else None


def _word_on_price(rows: Sequence[Row]) -> Mapping[str, Any]:
    """Return the latest word that says whether something is charged: that on `read` is said after that on `sent`.

    A word is taken as a whole: what Meta says of one price class does not go with what it says of another.
    """
    by_status = {row["status"]: row["pricing"] for row in rows if row.get("pricing")}
    words: list[Mapping[str, Any]] = [by_status[status] for status in _STATUSES if status in by_status]
    return next((word for word in reversed(words) if _billable(word) is not None), words[-1] if words else {})


def _billable(pricing: Mapping[str, Any]) -> bool | None:
    """Return whether Meta charges, None where it does not say so in words that are known."""
    said = pricing.get("billable")
    if said is not None:
        return bool(said)
    kind = _lower(pricing.get("type"))
    if kind == REGULAR:
        return True
    return False if kind is not None and kind.startswith(FREE_KINDS) else None


def _lower(text: str | None) -> str | None:
    return text.lower() if text is not None else None
