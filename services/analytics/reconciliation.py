"""Ours against Meta's: delivered messages by day, price category and type. Pure.

Meta's numbers are approximate, and its days those of the account's time zone; each says when it begins and ends.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal
from typing import Any, NamedTuple

from libs.graph.pricing import PricePoint
from libs.pricing.rate_card import one_spelling
from services.analytics.buckets import DAY
from services.analytics.charges import PER_CONVERSATION
from services.analytics.lines import MILLIONTHS
from services.analytics.reports import plain

Document = dict[str, Any]
Counted = tuple[Document, Mapping[str, int]]  # a document of sums, and what it counts in the span


class Days(NamedTuple):
    """The span of one of Meta's days."""

    start: datetime
    end: datetime


@dataclass(slots=True)
class Side:
    """What one side counts: messages, and what they cost where that is known of all of them."""

    volume: int = 0
    amount: Decimal | None = None

    def add(self, volume: int, amount: Decimal | None) -> None:
        """Add messages; an amount that is not known makes the whole unknown."""
        if volume or amount:
            known = amount is not None and (self.amount is not None or not self.volume)
            self.amount = (self.amount or Decimal(0)) + amount if known and amount is not None else None
            self.volume += volume


def days_of(points: Iterable[PricePoint], start: datetime, end: datetime) -> list[Days]:
    """Return the days from `start` on that were not cut off, the one that `end` is in among them.

    Days on which Meta counts nothing have no point: they are put between those that do; without any, days are UTC's.
    """
    told = sorted({Days(it.start, it.end) for it in points if start < it.start < end})
    first = told[0].start if told else datetime.combine(end.date(), time(), end.tzinfo)
    while first - DAY > start:
        first -= DAY
    found, known = [], {it.start: it.end for it in told}
    while first < end:
        later = min((it for it in known if it > first), default=None)
        until = known.get(first, first + DAY)
        found.append(Days(first, min(until, later) if later is not None else until))
        first = found[-1].end
    return found


def compared(points: Iterable[PricePoint], ours: Iterable[Counted], currency: str | None) -> list[Document]:
    """Return one entry per price category and type of a day, those on which nobody counts anything left out.

    What is charged per conversation is not in Meta's volumes. Messages of which Meta has not said the price stand
    under no category.
    """
    sides: dict[tuple[str | None, str | None], tuple[Side, Side]] = defaultdict(lambda: (Side(), Side()))
    for point in points:
        sides[one_spelling(point.category), point.pricing_type][1].add(point.volume, point.cost)
    for row, counts in ours:
        if row.get("pricing_model") != PER_CONVERSATION:
            place = (row.get("category"), row.get("pricing_type"))
            sides[place][0].add(counts.get("messages", 0), _amount(row, counts, currency))
    return [
        _entry(place, *both) for place, both in sorted(sides.items(), key=lambda it: [name or "" for name in it[0]])
        if both[0].volume or both[1].volume
    ]  # fmt: skip


def _amount(row: Document, counts: Mapping[str, int], currency: str | None) -> Decimal | None:
    """Return what messages cost in the account's currency, None where some have no price, or one in another."""
    if counts.get("unknown") or counts.get("unpriced") or row.get("currency") not in (None, currency):
        return None
    return Decimal(counts.get("millionths", 0)) / MILLIONTHS


def _entry(place: tuple[str | None, str | None], ours: Side, metas: Side) -> Document:
    known = all(side.amount is not None or not side.volume for side in (ours, metas))
    drift = (ours.amount or Decimal(0)) - (metas.amount or Decimal(0)) if known else None
    return {
        "category": place[0], "pricing_type": place[1], "volume": ours.volume, "meta_volume": metas.volume,
        "drift": ours.volume - metas.volume, "amount": _text(ours.amount), "meta_amount": _text(metas.amount),
        "amount_drift": _text(drift),
    }  # fmt: skip


def _text(amount: Decimal | None) -> str | None:
    return plain(amount) if amount is not None else None


def drift_by_category(days: Sequence[Document]) -> Counter[str]:
    """Return by how many messages both sides differ, whichever has more, over days."""
    found: Counter[str] = Counter()
    for day in days:
        for entry in day["entries"]:
            found[entry["category"] or "unknown"] += abs(entry["drift"])
    return found
