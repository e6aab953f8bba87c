"""Every shape in which Meta says what a message costs."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from services.analytics.charges import charge_of
from tests.unit.analytics.rows import priced, row

FREE = Decimal(0)
IN_2024 = datetime(2024, 12, 1, tzinfo=UTC)

CASES: dict[str, tuple[list[dict[str, Any]], tuple[Any, ...] | None]] = {
    "per message, said on sent": (
        [row("sent", pricing=priced()), row("delivered")], (True, Decimal("0.1365"), "marketing", "PMP", "regular")),
    "per message, said on delivered": (
        [row("delivered", pricing=priced())], (True, Decimal("0.1365"), "marketing", "PMP", "regular")),
    "late pricing: said on read only": (
        [row("sent"), row("delivered"), row("read", pricing=priced())],
        (True, Decimal("0.1365"), "marketing", "PMP", "regular")),
    "missing pricing": ([row("sent"), row("delivered")], (None, None, None, None, None)),
    "not delivered yet": ([row("sent", pricing=priced())], None),
    "failed after sent": ([row("sent", pricing=priced()), row("failed")], None),
    "free customer service": (
        [row("delivered", pricing=priced(False, "service", "free_customer_service"))],
        (False, FREE, "service", "PMP", "free_customer_service")),
    "service beyond the month's free ones": (
        [row("delivered", pricing=priced(True, "service"))], (True, Decimal("0.0550"), "service", "PMP", "regular")),
    "utility inside a window, when that was free": (
        [row("delivered", pricing=priced(False, "utility", "free_customer_service"))],
        (False, FREE, "utility", "PMP", "free_customer_service")),
    "free entry point": (
        [row("delivered", pricing=priced(False, "referral_conversion", "free_entry_point"), billing={"id": "x"})],
        (False, FREE, "referral_conversion", "PMP", "free_entry_point")),
    "category changed by Meta": (
        [row("sent", category="utility", pricing=priced(True, "utility")), row("read", pricing=priced())],
        (True, Decimal("0.1365"), "marketing", "PMP", "regular")),
    "without the word billable": (
        [row("delivered", pricing=priced(None, "utility"))], (True, Decimal("0.0550"), "utility", "PMP", "regular")),
    "upper case": (
        [row("delivered", pricing=priced(True, "MARKETING"))],
        (True, Decimal("0.1365"), "marketing", "PMP", "regular")),
    "a market without a known price": (
        [row("delivered", country="HK", pricing=priced())], (True, None, "marketing", "PMP", "regular")),
    "a country that nobody knows": (
        [row("delivered", country=None, pricing=priced())], (True, None, "marketing", "PMP", "regular")),
    "per conversation": (
        [row("delivered", pricing=priced(True, "marketing", model="CBP"), billing={"id": "x"})],
        (True, Decimal("0.1365"), "marketing", "CBP", "regular")),
    "per conversation that Meta does not name": (
        [row("delivered", pricing=priced(True, "marketing", model="CBP"))],
        (True, None, "marketing", "CBP", "regular")),
    "per conversation, to a market without a price of that category": (
        [row("delivered", country="IN", pricing=priced(True, "authentication", model="CBP"), billing={"id": "x"})],
        (True, None, "authentication", "CBP", "regular")),
    "a category of which no card speaks": (
        [row("delivered", pricing=priced(True, "ai_bot"))], (True, None, "general_purpose_ai", "PMP", "regular")),
    "a type of price that nobody knows, without the word billable": (
        [row("delivered", pricing=priced(None, "utility", "promotional"))], (None, None, None, None, None)),
    "upper case, without the word billable": (
        [row("delivered", pricing=priced(None, "UTILITY", "REGULAR"))],
        (True, Decimal("0.0550"), "utility", "PMP", "regular")),
    "a free type of today, without the word billable": (
        [row("delivered", pricing=priced(None, "group_service", "free_group_customer_service"))],
        (False, FREE, "group_service", "PMP", "free_group_customer_service")),
    "two words on the price: the later one as a whole": (
        [row("sent", pricing=priced(True, "utility")),
         row("delivered", pricing={"category": "service", "type": "free_customer_service"})],
        (False, FREE, "service", None, "free_customer_service")),
    "a later word that does not say whether it is charged": (
        [row("sent", pricing=priced(True, "utility")), row("delivered", pricing={"category": "marketing"})],
        (True, Decimal("0.0550"), "utility", "PMP", "regular")),
    "a country that is none": (
        [row("delivered", country="ZZ", pricing=priced())], (True, None, "marketing", "PMP", "regular")),
    "international authentication as webhooks spell it": (
        [row("delivered", country="ID", pricing=priced(True, "authentication-international"))],
        (True, Decimal("0.1360"), "authentication_international", "PMP", "regular")),
}  # fmt: skip


@pytest.mark.parametrize("situation", CASES)
def test_a_charge_is_what_meta_said_at_the_price_of_the_day(situation: str) -> None:
    rows, expected = CASES[situation]
    for order in (rows, rows[::-1]):
        found = charge_of(order)
        if expected is None:
            assert found is None
        else:
            assert found is not None
            assert (found.billable, found.amount, found.category, found.pricing_model, found.pricing_type) == expected


def test_a_charge_names_its_conversation_currency_and_card() -> None:
    found = charge_of([row("delivered", pricing=priced(), billing={"id": "conversation"})])
    assert found is not None
    assert (found.conversation, found.currency, found.rate_card, found.market) == (
        "conversation", "USD", "2026-10-01", "DE"
    )  # fmt: skip


def test_the_card_is_that_of_the_day_of_delivery() -> None:
    last = row("delivered", country="GB", pricing=priced(), at=datetime(2026, 6, 30, 23, 59, tzinfo=UTC))
    first = last | {"at": last["at"] + timedelta(minutes=1)}
    assert [charge.rate_card for it in (last, first) if (charge := charge_of([it]))] == ["2026-04-01", "2026-07-01"]
