import pytest

from libs.ledger.consent import Consent
from libs.ledger.opt_out_words import DEFAULTS, EVERYBODYS, LISTS, Hearing, OptOutWords, clash, plain

MEANT = {"stop": (Consent.MARKETING, True), "stop_all": (Consent.ALL, True), "start": (Consent.ALL, False)}


@pytest.mark.parametrize(
    "text", ["STOP", "stop", " Stop. ", "Unsubscribe!", "baja", "Sair", "Arrêt", "ARRET", "¡Alto!", "“stop”", "STOP…"]
)
def test_a_word_of_withdrawal_stops_marketing(text: str) -> None:
    assert EVERYBODYS.heard(text) == (Consent.MARKETING, True)


@pytest.mark.parametrize("text", ["STOP ALL", "stop  all", "StopAll", "Alles  stoppen!", "TÜMÜNÜ DURDUR"])
def test_it_stops_everything_where_it_says_so(text: str) -> None:
    assert EVERYBODYS.heard(text) == (Consent.ALL, True)


@pytest.mark.parametrize("text", ["START", "unstop", "Resume", "M’abonner"])
def test_a_word_of_return_gives_everything_back(text: str) -> None:
    assert EVERYBODYS.heard(text) == (Consent.ALL, False)


@pytest.mark.parametrize(
    "text",
    [
        "please stop sending me the wrong size",
        "don't stop",
        "",
        "stopwatch",
        "👍",
        "...",
        "stop" * 100,
        "no",
        "x" * 9999,
    ],
)
def test_a_sentence_that_only_contains_the_word_is_no_withdrawal(text: str) -> None:
    assert EVERYBODYS.heard(text) is None


@pytest.mark.parametrize(
    ("language", "stop", "start"),
    [
        ("en", "Unsubscribe", "Subscribe"), ("es", "DARME DE BAJA", "Alta"), ("pt", "Descadastrar", "Voltar"),
        ("fr", "Désabonner", "Reprendre"), ("de", "Abmelden", "Anmelden"), ("it", "Disiscrivimi", "Iscrivimi"),
        ("nl", "Afmelden", "Aanmelden"), ("tr", "İPTAL", "BAŞLA"), ("id", "Berhenti", "Mulai"),
        ("hi", "बंद करो।", "शुरू करें"), ("ar", "إيقاف؟", "ابدأ"),
    ],
)  # fmt: skip
def test_people_are_understood_in_their_language(language: str, stop: str, start: str) -> None:
    assert (EVERYBODYS.heard(stop), EVERYBODYS.heard(start)) == (MEANT["stop"], MEANT["start"]), language


def test_every_word_that_everybody_has_means_one_thing() -> None:
    assert clash(OptOutWords()) is None
    for name in LISTS:
        for word in DEFAULTS[name]:
            assert EVERYBODYS.heard(word.upper()) == MEANT[name], word


def test_a_list_of_a_tenants_own_takes_the_place_of_everybodys_and_the_others_stay() -> None:
    own = Hearing(OptOutWords(stop=("Genug!", "schluss"), start=()))
    assert own.heard("GENUG") == MEANT["stop"]
    assert own.heard("stop") is None
    assert own.heard("start") is None
    assert own.heard("stop all") == MEANT["stop_all"]


def test_a_word_in_two_lists_is_found_and_the_tenants_own_is_to_blame() -> None:
    assert clash(OptOutWords(stop=("x", "START."))) == ("stop", 1, "start")
    assert clash(OptOutWords(stop=("x",), start=("y", "Stop"))) is None


@pytest.mark.parametrize("text", ["", " ", "!?", "\u200b", "\u0301"])
def test_nothing_is_left_of_what_has_no_letter(text: str) -> None:
    assert plain(text) == ""
