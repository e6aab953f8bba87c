"""Which tier a month's count falls in."""

import pytest

from libs.pricing.rate_card import all_cards
from libs.pricing.volume_tiers import BOUNDS, tier_of


@pytest.mark.parametrize(
    ("market", "category", "count", "tier"),
    [
        ("IN", "utility", 1, "0:25000000"), ("IN", "utility", 25_000_000, "0:25000000"),
        ("IN", "utility", 25_000_001, "25000001:50000000"), ("IN", "utility", 50_000_001, None),
        ("IN", "authentication", 750_000, "0:750000"), ("IN", "marketing", 1, None), ("DE", "utility", 1, None),
    ],
)  # fmt: skip
def test_a_count_falls_in_the_tier_that_meta_names_where_its_bounds_are_known(
    market: str, category: str, count: int, tier: str | None
) -> None:
    assert tier_of(market, category, count) == tier


def test_every_market_with_bounds_is_one_of_the_cards() -> None:
    assert {market for market, _ in BOUNDS} <= set(all_cards()[-1].markets)
