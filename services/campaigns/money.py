"""A campaign's money: what those who are written to cost at most, by the rate card that it was launched with.

Sums are whole millionths of the card's currency, so that counters can hold them exactly.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from libs.pricing.rate_card import RateCard, all_cards
from services.campaigns.states import RecipientState
from services.campaigns.variants import Split

MILLIONTHS = 1_000_000

# In these nothing is charged: nobody was written to, or what was sent did not arrive. Source: Meta charges on delivery.
FREE = frozenset({
    RecipientState.PENDING, RecipientState.SKIPPED, RecipientState.HELD_OUT, RecipientState.CANCELED,
    RecipientState.EXPIRED, RecipientState.FAILED,
})  # fmt: skip

Document = dict[str, Any]


class Purse:
    """What each recipient of a campaign with a budget of money costs; of one without, nothing."""

    def __init__(self, campaign: Mapping[str, Any]) -> None:
        self._split = Split(campaign)
        self._card = _card(campaign) if campaign.get("max_cost") else None

    @property
    def counts(self) -> bool:
        """Whether money is counted at all."""
        return self._card is not None

    def price(self, row: Mapping[str, Any]) -> int:
        """Return what a message to this recipient costs, in millionths; nothing for who is held out, or forgotten."""
        variant = self._split.of(row["_id"])
        if self._card is None or variant is None or "to" not in row:
            return 0
        price = self._card.price(self._card.market_of(row["to"]), variant.template["category"])
        return int((price or Decimal(0)) * MILLIONTHS)

    def moved(self, row: Mapping[str, Any], before: RecipientState, after: RecipientState) -> int:
        """Return by how much a step changes the sum."""
        return self.price(row) * ((after not in FREE) - (before not in FREE)) if self.counts else 0


def affordable(campaign: Document, rows: Sequence[Document], spent: int) -> Sequence[Document]:
    """Return as many of the rows, from the first on, as the money left pays for; all where money is not counted."""
    purse = Purse(campaign)
    if not purse.counts:
        return rows
    left = int(Decimal(campaign["max_cost"]["amount"]) * MILLIONTHS) - spent
    for place, row in enumerate(rows):
        if (left := left - purse.price(row)) < 0:
            return rows[:place]
    return rows


def printed(spent: int) -> str:
    """Return a sum as text, in units of the currency."""
    return format((Decimal(spent) / MILLIONTHS).normalize(), "f") if spent else "0"


def _card(campaign: Mapping[str, Any]) -> RateCard:
    version = campaign["rate_card"]
    return next(card for card in all_cards() if card.version == version)
