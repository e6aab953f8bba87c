"""What a message costs, by Meta's word on its price class and the rate card of the day.

Meta charges on delivery: what failed, or was never delivered, costs nothing. Per message since 2025-07-01 (`PMP`);
before that per conversation (`CBP`), where the first delivered message of a billing conversation opened it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from libs.pricing.rate_card import RateCard, card_at, conversation_card
from services.analytics.stages import Row, stages_of

# Meta's price classes, and so the categories that may be asked for; a metric counts another one as `other`.
CATEGORIES = (
    "marketing", "utility", "authentication", "service", "authentication_international", "authentication-international",
    "marketing_lite", "referral_conversion", "ai_bot",
)  # fmt: skip
PER_MESSAGE, PER_CONVERSATION = "PMP", "CBP"
MILLIONTHS = 1_000_000  # sums are whole millionths of a currency's unit
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
    def millionths(self) -> int:
        """The amount in millionths of the currency's unit; 0 where it is not known."""
        return int((self.amount or Decimal(0)) * MILLIONTHS)

    @property
    def opens(self) -> bool:
        """Whether it is its billing conversation that is charged: once, for the message that opened it."""
        return bool(self.billable) and self.pricing_model == PER_CONVERSATION and self.conversation is not None

    @property
    def outcome(self) -> str:
        """`billable`, `free` or `unknown`."""
        return "unknown" if self.billable is None else "billable" if self.billable else "free"


def charge_of(rows: Sequence[Row]) -> Charge | None:
    """Return a message's charge by all that is known of it, None before it is delivered."""
    at = stages_of(rows).get("delivered")
    if at is None:
        return None
    pricing = _word_on_price(rows)
    billable = _billable(pricing)
    if billable is None:
        return Charge(at, None)
    said: dict[str, Any] = {
        "category": _lower(pricing.get("category")),
        "pricing_model": pricing.get("pricing_model"),
        "pricing_type": pricing.get("type"),
        "conversation": _conversation(rows),
    }
    if not billable:
        return Charge(at, False, amount=Decimal(0), **said)
    card = _card(at, said)
    if card is None or not rows[0].get("country"):
        return Charge(at, True, **said)  # in a way of which no card speaks, or to nobody knows where
    market = card.market_of_country(rows[0]["country"])
    amount = card.price(market, (said["category"] or "").replace("-", "_"))
    return Charge(
        at, True, market=market, currency=card.currency, rate_card=card.version, amount=amount, **said
    )  # fmt: skip


def _card(at: datetime, said: Mapping[str, Any]) -> RateCard | None:
    if said["pricing_model"] == PER_MESSAGE:
        return card_at(at)
    return conversation_card() if said["pricing_model"] == PER_CONVERSATION and said["conversation"] else None


def _word_on_price(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the latest word: the price class on `read` is said after that on `sent`."""
    by_status = {row["status"]: row["pricing"] for row in rows if row.get("pricing")}
    found: dict[str, Any] = {}
    for status in _STATUSES:
        found |= {name: value for name, value in by_status.get(status, {}).items() if value is not None}
    return found


def _billable(pricing: dict[str, Any]) -> bool | None:
    said = pricing.get("billable")
    if said is not None:
        return bool(said)
    kind = pricing.get("type")
    return None if kind is None else kind == "regular"


def _conversation(rows: Sequence[Row]) -> str | None:
    return next((row["billing"]["id"] for row in rows if row.get("billing")), None)


def _lower(text: str | None) -> str | None:
    return text.lower() if text is not None else None
