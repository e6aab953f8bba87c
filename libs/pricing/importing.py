"""A new rate card from Meta's published CSV: `python -m libs.pricing.importing FILE --valid-from 2027-01-01`.

Writes `cards/<day>.json`, which analytics and campaigns read at their next start. Markets have the calling codes of the
newest card; Meta's file names no codes. Nothing is guessed: a market that is new, or missing, is refused by name.
"""

import argparse
import csv
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

from libs.pricing.rate_card import CARDS, CATEGORIES, MarketPrices, RateCard, all_cards

# Markets of their own by the names in Meta's files; regions have the same name here as there.
NAMES = {
    "Argentina": "AR", "Bangladesh": "BD", "Brazil": "BR", "Chile": "CL", "Colombia": "CO", "Egypt": "EG",
    "France": "FR", "Germany": "DE", "Hong Kong": "HK", "Hungary": "HU", "India": "IN", "Indonesia": "ID", "Iraq": "IQ",
    "Israel": "IL", "Italy": "IT", "Kazakhstan": "KZ", "Kuwait": "KW", "Malaysia": "MY", "Mexico": "MX",
    "Morocco": "MA",
    "Nepal": "NP", "Netherlands": "NL", "Nigeria": "NG", "Oman": "OM", "Pakistan": "PK", "Peru": "PE", "Poland": "PL",
    "Qatar": "QA", "Romania": "RO", "Russia": "RU", "Saudi Arabia": "SA", "Singapore": "SG", "South Africa": "ZA",
    "Spain": "ES", "Sri Lanka": "LK", "Turkey": "TR", "Ukraine": "UA", "United Arab Emirates": "AE",
    "United Kingdom": "GB",
}  # fmt: skip
SIGN = re.compile(r"^(?:US\$|\$US|[$€£₹])\s*")
NO_PRICE = frozenset({"", "-", "–", "n/a", "na", "none"})


class CardRefused(Exception):
    """The file is no rate card; the text says where and why."""


def read_card(text: str, valid_from: date, currency: str, codes: Mapping[str, Sequence[str]]) -> RateCard:
    """Return the card of a CSV file; `codes` are the calling codes of every market. Raises CardRefused."""
    lines = list(csv.reader(text.splitlines()))
    place, columns = _header(lines)
    markets: dict[str, MarketPrices] = {}
    for number, line in enumerate(lines[place + 1 :], place + 2):
        if not any(cell.strip() for cell in line):
            continue
        name = line[columns["market"]].strip() if len(line) > columns["market"] else ""
        market = NAMES.get(name, name)
        if market not in codes:
            raise CardRefused(f"line {number}: the market {name!r} is not known; say --codes '{name}=<calling codes>'")
        if market in markets:
            raise CardRefused(f"line {number}: the market {name!r} comes a second time")
        prices = {category: _price(line, columns.get(category), number, category) for category in CATEGORIES}
        markets[market] = MarketPrices(codes=codes[market], **prices)
    if missing := sorted(set(codes) - set(markets)):
        raise CardRefused(f"these markets of the newest card are not in the file: {', '.join(missing)}")
    return RateCard(
        version=valid_from.isoformat(), valid_from=valid_from, currency=currency, unverified=[], markets=markets
    )


def _header(lines: Sequence[Sequence[str]]) -> tuple[int, dict[str, int]]:
    for place, line in enumerate(lines):
        columns = {re.sub(r"[^a-z]+", "_", cell.strip().lower()).strip("_"): at for at, cell in enumerate(line)}
        if {"market", "marketing", "utility"} <= set(columns):
            return place, columns
    raise CardRefused("no line names the columns Market, Marketing and Utility")


def _price(line: Sequence[str], column: int | None, number: int, category: str) -> Decimal | None:
    cell = line[column].strip() if column is not None and column < len(line) else ""
    if cell.lower() in NO_PRICE:
        return None
    try:
        price = Decimal(SIGN.sub("", cell))
    except InvalidOperation:
        raise CardRefused(f"line {number}: {category} {cell[:40]!r} is no price") from None
    if not price.is_finite() or price < 0:
        raise CardRefused(f"line {number}: {category} {cell[:40]!r} is no price")
    return price


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the card; -> 0, or 1 where it was refused, with the reason on standard error."""
    parser = argparse.ArgumentParser(description="Make a rate card of Meta's published CSV.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--valid-from", type=date.fromisoformat, required=True, help="The first day of these prices.")
    parser.add_argument("--currency", default="USD")
    parser.add_argument("--codes", action="append", default=[], help="A new market's calling codes: 'Greece=30'.")
    parser.add_argument("--into", type=Path, default=CARDS, help="Folder of the cards.")
    asked = parser.parse_args(arguments)
    try:
        codes = {name: list(market.codes) for name, market in all_cards()[-1].markets.items()}
        for said in asked.codes:
            name, _, listed = said.partition("=")
            codes[NAMES.get(name, name)] = [code.strip() for code in listed.split(",") if code.strip()]
        card = read_card(asked.file.read_text("utf-8-sig"), asked.valid_from, asked.currency, codes)
        target = asked.into / f"{card.version}.json"
        with target.open("x") as written:
            written.write(card.model_dump_json(indent=1) + "\n")
    except (CardRefused, OSError, UnicodeDecodeError) as refused:
        sys.stderr.write(f"{asked.file}: {refused}\n")
        return 1
    sys.stdout.write(f"{target}: {len(card.markets)} markets\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
