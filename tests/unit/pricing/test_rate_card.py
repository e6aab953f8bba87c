"""Prices by market, category and day; what nobody knows is None."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from libs.pricing.rate_card import CATEGORIES, OTHER, all_cards, card_at

NOW = card_at(datetime(2026, 11, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("recipient", "market"),
    [
        ("+4915112345678", "DE"), ("+12125550123", "North America"), ("+16135550123", "North America"),
        ("+12465550123", "Other"), ("+18095550123", "Rest of Latin America"), ("+77011234567", "KZ"),
        ("+79161234567", "RU"), ("+85212345678", "HK"), ("+212612345678", "MA"),
        ("+35312345678", "Rest of Western Europe"),
        ("+99912345678", "Other"), ("DE.1349876", "DE"), ("US.1349876", "North America"), ("BB.1349876", "Other"),
        ("ZZ.1349876", "Other"),
    ],
)  # fmt: skip
def test_the_calling_code_decides_on_the_market(recipient: str, market: str) -> None:
    assert NOW.market_of(recipient) == market


@pytest.mark.parametrize(
    ("country", "market"),
    [("DE", "DE"), ("US", "North America"), ("DO", "Rest of Latin America"), ("BB", "Other"), ("KZ", "KZ"),
     ("RU", "RU"),
     ("GG", "GB"), ("ZZ", None)],
)  # fmt: skip
def test_a_country_is_of_the_market_of_its_numbers(country: str, market: str | None) -> None:
    assert NOW.market_of_country(country) == market


@pytest.mark.parametrize(
    ("day", "market", "category", "price"),
    [
        ("2025-06-01", "DE", "marketing", "0.1365"), ("2025-08-01", "FR", "marketing", "0.1432"),
        ("2025-12-31", "FR", "marketing", "0.1432"), ("2026-01-01", "FR", "marketing", "0.0859"),
        ("2026-03-31", "GB", "MARKETING", "0.0529"), ("2026-07-01", "GB", "marketing", "0.0635"),
        ("2026-04-01", "SA", "marketing", None), ("2026-11-01", "MX", "marketing", "0.0397"),
        ("2026-11-01", "DE", "service", "0.0550"), ("2026-09-30", "DE", "service", "0"),
        ("2026-11-01", "DE", "no_such_category", None), ("2026-11-01", "DE", "authentication_international", None),
    ],
)  # fmt: skip
def test_the_day_decides_on_the_card(day: str, market: str, category: str, price: str | None) -> None:
    card = card_at(datetime.fromisoformat(day).replace(tzinfo=UTC))
    assert card.price(market, category) == (Decimal(price) if price is not None else None)


def test_a_country_belongs_to_one_market_on_every_card() -> None:
    for card in all_cards():
        codes = [code for market in card.markets.values() for code in market.codes]
        assert len(codes) == len(set(codes)), card.version
        assert OTHER in card.markets
        assert all(len(code) <= 4 for code in codes)


def test_every_unverified_cell_is_one_that_has_a_price() -> None:
    for card in all_cards():
        for cell in card.unverified:
            market, _, category = cell.rpartition(" ")
            assert category in CATEGORIES
            assert card.price(market, category) is not None, (card.version, cell)
