import pytest

from libs.ledger.people import Consent
from services.tracker.consent_words import heard


@pytest.mark.parametrize("text", ["STOP", "stop", " Stop. ", "Unsubscribe!", "baja", "Sair", "Arrêt"])
def test_a_word_of_withdrawal_stops_marketing(text: str) -> None:
    assert heard(text) == (Consent.MARKETING, True)


@pytest.mark.parametrize("text", ["STOP ALL", "stop  all", "StopAll"])
def test_it_stops_everything_where_it_says_so(text: str) -> None:
    assert heard(text) == (Consent.ALL, True)


@pytest.mark.parametrize("text", ["START", "unstop", "Resume"])
def test_a_word_of_return_gives_everything_back(text: str) -> None:
    assert heard(text) == (Consent.ALL, False)


@pytest.mark.parametrize("text", ["please stop sending me the wrong size", "don't stop", "", "stopwatch", "👍"])
def test_a_sentence_that_only_contains_the_word_is_no_withdrawal(text: str) -> None:
    assert heard(text) is None
