"""A rate card from Meta's CSV: nothing guessed, what is wrong refused by line."""

from decimal import Decimal
from pathlib import Path

import pytest

from libs.pricing.importing import NAMES, main
from libs.pricing.rate_card import RateCard, all_cards

NEWEST = all_cards()[-1]
OURS = {code: name for name, code in NAMES.items()}


def lines(**instead: str) -> list[str]:
    """A file with every market of the newest card, some of them with other cells."""
    usual = "$0.0500,0.0100,0.0100,n/a,0.0100"
    return [
        "All prices are exclusive of tax,,,,,,", "",
        "Market,Currency,Marketing,Utility,Authentication,Authentication-International,Service",
        *(f"{OURS.get(market, market)},$US,{instead.get(market, usual)}" for market in NEWEST.markets),
    ]  # fmt: skip


def imported(tmp_path: Path, written: list[str], *options: str) -> int:
    source = tmp_path / "rates.csv"
    source.write_text("\ufeff" + "\n".join(written))
    return main([str(source), "--valid-from", "2027-01-01", "--into", str(tmp_path), *options])


def test_a_file_becomes_the_card_of_a_day(tmp_path: Path) -> None:
    assert imported(tmp_path, lines(IN="0.0118,0.0014,0.0014,0.0280,-")) == 0
    card = RateCard.model_validate_json((tmp_path / "2027-01-01.json").read_bytes())
    assert (card.version, card.currency, list(card.markets)) == ("2027-01-01", "USD", list(NEWEST.markets))
    assert card.price(card.market_of("+919812345678"), "authentication_international") == Decimal("0.0280")
    assert card.price("IN", "service") is None
    assert card.price("DE", "marketing") == Decimal("0.0500")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (["Market,Price", "India,1"], "Market, Marketing and Utility"),
        (lines(DE="cheap,0,0,0,0"), "'cheap' is no price"),
        (lines(DE="-0.1,0,0,0,0"), "is no price"),
        (lines(DE="NaN,0,0,0,0"), "is no price"),
        ([*lines(), "Atlantis,$US,1,1,1,1,1"], "'Atlantis' is not known"),
        ([*lines(), "Germany,$US,1,1,1,1,1"], "a second time"),
        (lines()[:-1], "not in the file"),
    ],
)
def test_what_is_no_card_is_refused_and_nothing_is_written(
    tmp_path: Path, wrong: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert imported(tmp_path, wrong) == 1
    assert words in capsys.readouterr().err
    assert not (tmp_path / "2027-01-01.json").exists()


def test_a_new_market_is_taken_with_its_codes_and_a_card_is_never_written_over(tmp_path: Path) -> None:
    written = [*lines(), "Greece,$US,0.07,0.03,0.03,,"]
    assert imported(tmp_path, written, "--codes", "Greece=30") == 0
    card = RateCard.model_validate_json((tmp_path / "2027-01-01.json").read_bytes())
    assert card.markets["Greece"].codes == ["30"]
    assert imported(tmp_path, written, "--codes", "Greece=30") == 1
