import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.ledger.recipients import country_of, is_user_id, normalised


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("+15550001234", "+15550001234"),
        ("+1 (555) 000-1234", "+15550001234"),
        ("+1.555.000.1234", "+15550001234"),
        ("US.13491208655302741918", "US.13491208655302741918"),
        ("US.ENT.118aB", "US.ENT.118aB"),
    ],
)
def test_a_recipient_is_stored_in_one_form(typed: str, stored: str) -> None:
    assert normalised(typed) == stored
    assert is_user_id(stored) == (not stored.startswith("+"))


NEITHER = [
    "", "+", "15550001234", "+123456", "+1234567890123456", "+05550001234", "+1'; --", "us.1", "+1555٠٠٠١٢٣٤", "US.",
    "US.1 2", "+1555\n0001234",
]  # fmt: skip


@pytest.mark.parametrize("typed", NEITHER)
def test_what_is_neither_number_nor_user_id_is_refused(typed: str) -> None:
    assert normalised(typed) is None


@given(st.text(max_size=40))
def test_what_is_taken_is_in_its_stored_form_already(text: str) -> None:
    stored = normalised(text)
    assert stored is None or normalised(stored) == stored


@pytest.mark.parametrize(
    ("recipient", "country"),
    [
        ("+15550001234", "US"), ("14165550123", "CA"), ("+18095550123", "DO"), ("+77011234567", "KZ"),
        ("+79161234567", "RU"), ("+4915112345678", "DE"), ("+390612345678", "IT"), ("+35312345678", "IE"),
        ("IN.1349876", "IN"), ("+8001234567", None), ("+9991234567", None), ("²²²²²", None), ("1abc", None),
        ("éa.1", None), ("", None), ("+1", None),
    ],
)  # fmt: skip
def test_a_recipient_is_of_the_country_of_the_calling_code_and_area(recipient: str, country: str | None) -> None:
    assert country_of(recipient) == country
