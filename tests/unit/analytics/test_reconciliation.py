"""Ours against Meta's."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from libs.graph.pricing import PricePoint
from services.analytics.reconciliation import compared, days_of, drift_by_category

MIDNIGHT = datetime(2026, 11, 20, 8, tzinfo=UTC)  # in California
DAY = timedelta(days=1)


def point(
    day: int = 0, volume: int = 1, cost: str | None = None, category: str = "marketing", **more: Any
) -> PricePoint:
    start = MIDNIGHT + day * DAY
    fields: dict[str, Any] = {"start": start, "end": start + DAY, "pricing_type": "regular"}
    return PricePoint(category=category, volume=volume, cost=Decimal(cost) if cost else None, **fields | more)


def ours(messages: int, category: str | None = "marketing", millionths: int = 0, **more: Any) -> Any:
    row = {"category": category, "pricing_type": "regular", "pricing_model": "PMP", "currency": "USD"} | more
    return row, Counter({"messages": messages, "millionths": millionths, "unpriced": more.get("unpriced", 0)})


def test_days_without_a_point_lie_between_those_that_have_one() -> None:
    start, now = MIDNIGHT - 3 * DAY - timedelta(hours=5), MIDNIGHT + 3 * DAY + timedelta(hours=5)
    found = days_of([point(0), point(2)], start, now)
    assert [day.start for day in found] == [MIDNIGHT + n * DAY for n in range(-3, 4)]
    assert all(day.end - day.start == DAY for day in found)


def test_a_day_that_was_cut_off_at_the_beginning_is_left_out() -> None:
    start = MIDNIGHT + timedelta(hours=3)
    cut = point(0, start=start)
    assert [day.start for day in days_of([cut, point(1)], start, MIDNIGHT + 2 * DAY)] == [MIDNIGHT + DAY]


def test_a_day_of_a_change_of_clocks_is_as_long_as_meta_says() -> None:
    long = point(0, end=MIDNIGHT + timedelta(hours=25))
    later = point(0, start=MIDNIGHT + timedelta(hours=25), end=MIDNIGHT + timedelta(hours=49))
    found = days_of([long, later], MIDNIGHT - timedelta(hours=1), MIDNIGHT + timedelta(hours=30))
    assert [(day.end - day.start) // timedelta(hours=1) for day in found] == [25, 24]


def test_without_any_point_days_are_those_of_utc() -> None:
    found = days_of([], datetime(2026, 11, 18, 15, tzinfo=UTC), datetime(2026, 11, 20, 9, tzinfo=UTC))
    assert [day.start.day for day in found] == [19, 20]


def test_each_category_says_what_both_sides_count_and_by_how_much_they_differ() -> None:
    (entry,) = compared([point(volume=10, cost="1.5")], [ours(8, millionths=1_200_000)], "USD")
    assert entry == {
        "category": "marketing", "pricing_type": "regular", "volume": 8, "meta_volume": 10, "drift": -2,
        "amount": "1.2", "meta_amount": "1.5", "amount_drift": "-0.3",
    }  # fmt: skip


def test_what_only_one_side_counts_is_drift_too() -> None:
    entries = compared([point(volume=3, category="utility")], [ours(2), ours(5, None, pricing_type=None)], "USD")
    assert [(it["category"], it["drift"]) for it in entries] == [(None, 5), ("marketing", 2), ("utility", -3)]
    assert drift_by_category([{"entries": entries}]) == {"unknown": 5, "marketing": 2, "utility": 3}


@pytest.mark.parametrize("counted", [
    ours(8, millionths=1, unpriced=1), ours(8, millionths=1, currency="EUR"),
])  # fmt: skip
def test_an_amount_that_is_not_known_of_all_is_not_compared(counted: Any) -> None:
    (entry,) = compared([point(volume=8, cost="1.5")], [counted], "USD")
    assert (entry["amount"], entry["amount_drift"], entry["drift"]) == (None, None, 0)


def test_conversations_of_the_old_model_are_no_drift() -> None:
    assert compared([], [ours(4, pricing_model="CBP")], "USD") == []


def test_both_spellings_of_a_category_are_one() -> None:
    (entry,) = compared(
        [point(category="authentication-international", volume=1), point(category="authentication_international")],
        [ours(1 + point().volume, "authentication_international")], "USD",
    )  # fmt: skip
    assert entry["drift"] == 0
