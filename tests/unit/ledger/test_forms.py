from datetime import UTC, datetime, timedelta

import pytest

from libs.ledger.contacts import Contact, Window, alias, contact_id_of
from libs.ledger.forms import one_form

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("5511912345678", "551112345678"), ("5531987654321", "553187654321"),  # Brazil: the ninth digit
        ("5215512345678", "525512345678"),  # Mexico: the 1
        ("5491112345678", "541112345678"),  # Argentina: the 9
    ],
)  # fmt: skip
def test_both_forms_of_a_number_are_one_alias_and_one_contact(one: str, other: str) -> None:
    assert one_form(one) == one_form(other)
    assert alias("t", f"+{one}") == alias("t", other)
    assert contact_id_of("t", f"+{other}") == contact_id_of("t", one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("5511923456789", "551123456789"),  # a mobile number and a landline of São Paulo
        ("5511912345678", "5511812345678"), ("5531912345678", "5521912345678"), ("5215512345678", "5225512345678"),
        ("541112345678", "5491112345679"), ("15551234567", "1555123456"), ("5491112345678", "5591112345678"),
    ],
)  # fmt: skip
def test_other_numbers_stay_apart(one: str, other: str) -> None:
    assert one_form(one) != one_form(other)


@pytest.mark.parametrize("name", ["15550001234", "US.5511912345678", "551191234567", "56912345678", "5", "", "52155"])
def test_what_has_one_form_only_is_left_as_it_is(name: str) -> None:
    assert one_form(name) == name


MARKETING = {"category": "MARKETING"}
UTILITY = {"category": "UTILITY"}
OPEN = {"1": Window(open_until=NOW + timedelta(hours=1))}
CLOSED = {"1": Window(open_until=NOW - timedelta(hours=1))}


@pytest.mark.parametrize("windows", [OPEN, CLOSED, {}])
def test_an_opt_out_of_marketing_stops_marketing_templates_only(windows: dict[str, Window]) -> None:
    person = Contact("c", windows, opted_out_of_marketing=True, opted_out_of_all=False)
    assert person.refuses(MARKETING, "1", NOW)
    assert not person.refuses(UTILITY, "1", NOW)
    assert not person.refuses(None, "1", NOW)


def test_an_opt_out_of_everything_stops_all_but_a_reply() -> None:
    for windows, number, reply in ((OPEN, "1", True), (OPEN, "2", False), (CLOSED, "1", False), ({}, "1", False)):
        person = Contact("c", windows, opted_out_of_marketing=False, opted_out_of_all=True)
        assert person.refuses(MARKETING, number, NOW)
        assert person.refuses(UTILITY, number, NOW)
        assert person.refuses(None, number, NOW) is not reply
