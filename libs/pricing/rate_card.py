"""Meta's prices per message: one card per validity date, from files, never from the network. Before there were prices
per message there were those of conversations: of these the last card is kept.

Prices are of a market (that of the recipient's calling code) and a category. A price that nobody could find is None,
never 0; cells that only a single or derived source gives are listed in the card's `unverified`. Source: Meta's rate
cards since per-message pricing began on 2025-07-01, as far as public copies give them.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

import phonenumbers
from pydantic import BaseModel, ConfigDict

from libs.ledger.recipients import country_of, is_user_id

CARDS = Path(__file__).with_name("cards")
LAST_OF_CONVERSATIONS = Path(__file__).parent / "conversation_cards" / "2024-08-01.json"
OTHER = "Other"  # the market of every country that a card does not name
NORTH_AMERICA = "North America"
IN_NORTH_AMERICA = ("US", "CA")  # of the many countries with the calling code 1
CATEGORIES = ("marketing", "utility", "authentication", "authentication_international", "service")
_ALSO = {"ai_bot": "general_purpose_ai"}  # what Meta's analytics call it
LONGEST_CODE = 4  # digits of a calling code that a card names


class MarketPrices(BaseModel):
    """A market: the calling codes of its countries, and its price per message by category."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    codes: Sequence[str]
    marketing: Decimal | None
    utility: Decimal | None
    authentication: Decimal | None
    authentication_international: Decimal | None
    service: Decimal | None


class RateCard(BaseModel):
    """The prices from one day on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str
    valid_from: date
    currency: str
    unverified: Sequence[str]
    markets: Mapping[str, MarketPrices]

    def price(self, market: str, category: str) -> Decimal | None:
        """Return what a delivered message costs, None where it is not known; `category` in any case."""
        name = one_spelling(category)
        found: Decimal | None = getattr(self.markets[market], name) if name in CATEGORIES else None
        return found

    def market_of(self, recipient: str) -> str:
        """Return the market of a phone number in E.164, or of a business-scoped id by its country."""
        if is_user_id(recipient):
            return self.market_of_country(recipient[:2]) or OTHER
        digits = recipient.removeprefix("+")
        return self._market(digits)

    def market_of_country(self, country: str) -> str | None:
        """Return the market of a country (ISO 3166, two letters): that of a number of it; None where there is none."""
        digits = _digits_of(country)
        return self._market(digits) if digits else None

    def _market(self, digits: str) -> str:
        codes = _codes(self)
        for length in range(LONGEST_CODE, 0, -1):
            if (market := codes.get(digits[:length])) is not None:
                if market == NORTH_AMERICA and country_of(digits) not in IN_NORTH_AMERICA:
                    return OTHER
                return market
        return OTHER


def one_spelling(category: str) -> str:
    """Return Meta's name of a price category as we keep it: webhooks, analytics and versions spell some differently."""
    name = category.lower().replace("-", "_")
    return _ALSO.get(name, name)


def card_at(moment: datetime) -> RateCard:
    """Return the card that is valid at a time; for what is older than the first card, the first."""
    day = moment.astimezone(UTC).date()
    valid = [card for card in all_cards() if card.valid_from <= day]
    return valid[-1] if valid else all_cards()[0]


@lru_cache(maxsize=1)
def all_cards() -> Sequence[RateCard]:
    """Return every card, the oldest first; raises ValidationError for a file that is none."""
    cards = [RateCard.model_validate_json(path.read_bytes()) for path in sorted(CARDS.glob("*.json"))]
    return sorted(cards, key=lambda card: card.valid_from)


@lru_cache(maxsize=1)
def conversation_card() -> RateCard:
    """Return what a conversation of 24 hours cost until 2025-06-30.

    Source: a public copy without a date, and so unverified in every cell.
    """
    return RateCard.model_validate_json(LAST_OF_CONVERSATIONS.read_bytes())


_CODES: dict[str, dict[str, str]] = {}  # card's version -> calling code -> market


def _codes(card: RateCard) -> Mapping[str, str]:
    if (found := _CODES.get(card.version)) is None:
        found = {code: name for name, market in card.markets.items() for code in market.codes}
        _CODES[card.version] = found
    return found


@lru_cache(maxsize=300)
def _digits_of(country: str) -> str:
    """Return the digits of some number of a country; none where there is no such country."""
    number = phonenumbers.example_number(country)
    return f"{number.country_code}{number.national_number}" if number is not None else ""
