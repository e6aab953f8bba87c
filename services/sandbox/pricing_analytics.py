"""`pricing_analytics` of an account: delivered messages by what Meta charged for them.

Days and months are those of the account's time zone, which is Meta's number 1 for every account here.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from services.sandbox.errors import GraphError, bad_parameter
from services.sandbox.model import Account
from services.sandbox.store import HALF_HOUR, Charged, Store

NAME = "pricing_analytics"
ZONE = ZoneInfo("America/Los_Angeles")  # Meta's time zone number 1
CATEGORIES = (
    "AUTHENTICATION", "AUTHENTICATION_INTERNATIONAL", "MARKETING", "MARKETING_LITE", "SERVICE", "UTILITY",
    "REFERRAL_CONVERSION",
)  # fmt: skip
TYPES = ("FREE_CUSTOMER_SERVICE", "FREE_ENTRY_POINT", "REGULAR")
DIMENSIONS = ("COUNTRY", "PHONE", "PRICING_CATEGORY", "PRICING_TYPE", "TIER")
METRICS = ("COST", "VOLUME")
LISTS = {"phone_numbers": None, "country_codes": None, "metric_types": METRICS, "pricing_types": TYPES,
         "pricing_categories": CATEGORIES, "dimensions": DIMENSIONS}  # fmt: skip
YEAR = 366 * 86_400  # seconds that may be looked back

_CALL = re.compile(rf"{NAME}((?:\.[a-z_]+\([^()]*\))*)")
_METHOD = re.compile(r"\.([a-z_]+)\(([^()]*)\)")

Prices = dict[str, dict[str, float]]  # country -> category in lower case -> the price of a message


@dataclass(frozen=True)
class Asked:
    """What the field's methods say: seconds since 1970, and lists (empty: all)."""

    start: int
    end: int
    granularity: str
    lists: dict[str, list[str]] = field(default_factory=dict)

    def takes(self, charged: Charged) -> bool:
        """Tell whether the filters let these messages through."""
        said = {"phone_numbers": charged.number, "country_codes": charged.country,
                "pricing_types": charged.kind.upper(), "pricing_categories": charged.category.upper()}  # fmt: skip
        return all(not self.lists[name] or value in self.lists[name] for name, value in said.items())


def asked_of(fields: str, now: float) -> Asked | None:
    """Read what is asked for, None where it is something else. Raises GraphError 100 as Meta does."""
    call = _CALL.search(fields)
    if call is None:
        return None
    said = dict(_METHOD.findall(call[1]))
    start, end = (_seconds(said.get(name), name) for name in ("start", "end"))
    if start >= end or start < now - YEAR:
        raise bad_parameter("Param start must be before end and within the last year.")
    granularity = said.get("granularity", "")
    if granularity not in _STEPS:
        raise bad_parameter(f"Param granularity must be one of {{{', '.join(_STEPS)}}}.")
    lists = {name: _listed(said.get(name, "[]"), name, allowed) for name, allowed in LISTS.items()}
    return Asked(start, end, granularity, lists)


class Books:
    """What accounts were charged for, and the prices that a test gave: without any no cost is told.

    Source: Meta leaves the cost out where an account pays through a partner's credit line.
    """

    def __init__(self, store: Store, prices: Prices) -> None:
        self._store = store
        self.prices = prices

    def answer(self, account: Account, asked: Asked) -> dict[str, Any]:
        """Return the field's value. Raises GraphError where only a cost is asked for and none is known."""
        metrics = asked.lists["metric_types"] or METRICS
        if not self.prices and "VOLUME" not in metrics:
            raise GraphError(100, "(#100) Cost not available")
        volumes: dict[tuple[Any, ...], int] = defaultdict(int)
        costs: dict[tuple[Any, ...], float] = defaultdict(float)
        for each in self._store.charged(account.id, asked.start, asked.end):
            if asked.takes(each):
                place = (*_STEPS[asked.granularity](each.at), *_dimensions(each, asked.lists["dimensions"]))
                volumes[place] += each.volume
                costs[place] += each.volume * self._price(each)
        points = [
            {"start": place[0], "end": place[1]} | dict(place[2:])
            | ({"volume": volume} if "VOLUME" in metrics else {})
            | ({"cost": round(costs[place], 6)} if "COST" in metrics and self.prices else {})
            for place, volume in volumes.items()
        ]  # fmt: skip
        return {"data": [{"data_points": points}]}

    def _price(self, charged: Charged) -> float:
        if charged.kind != "regular":
            return 0.0
        return self.prices.get(charged.country, {}).get(charged.category, 0.0)


def read_prices(wish: dict[str, Any]) -> Prices:
    """Read prices as a control call gives them; raises ValueError where they are none."""
    read: Prices = {}
    for country, by_category in wish.items():
        if not re.fullmatch("[A-Z]{2}", country) or not isinstance(by_category, dict):
            raise ValueError('prices are {country: {category: price}}, for example {"IN": {"marketing": 0.0118}}')
        for category, price in by_category.items():
            if category.upper() not in CATEGORIES or not isinstance(price, int | float) or not 0 <= price < 100:
                raise ValueError(f"{country}.{category} is no price of a category")
        read[country] = {category.lower(): float(price) for category, price in by_category.items()}
    return read


def _dimensions(charged: Charged, wanted: list[str]) -> list[tuple[str, str]]:
    known = {"COUNTRY": ("country", charged.country), "PHONE": ("phone_number", charged.number),
             "PRICING_CATEGORY": ("pricing_category", charged.category.upper()),
             "PRICING_TYPE": ("pricing_type", charged.kind.upper())}  # fmt: skip
    if charged.kind == "regular":  # what is free has no tier
        known["TIER"] = ("tier", "0:MAX")
    return [known[name] for name in DIMENSIONS if name in wanted and name in known]


def _half_hour(at: int) -> tuple[int, int]:
    return at - at % HALF_HOUR, at - at % HALF_HOUR + HALF_HOUR


def _day(at: int) -> tuple[int, int]:
    start = datetime.fromtimestamp(at, ZONE).replace(hour=0, minute=0)
    return int(start.timestamp()), int((start + timedelta(days=1)).timestamp())


def _month(at: int) -> tuple[int, int]:
    start = datetime.fromtimestamp(at, ZONE).replace(day=1, hour=0, minute=0)
    return int(start.timestamp()), int((start + timedelta(days=31)).replace(day=1).timestamp())


_STEPS: dict[str, Callable[[int], tuple[int, int]]] = {"HALF_HOUR": _half_hour, "DAILY": _day, "MONTHLY": _month}


def _seconds(text: str | None, name: str) -> int:
    if text is None or not re.fullmatch("[0-9]{9,11}", text.strip()):
        raise bad_parameter(f"The parameter {name} is required and is a UNIX time.")
    return int(text)


def _listed(text: str, name: str, allowed: tuple[str, ...] | None) -> list[str]:
    try:
        found = json.loads(text or "[]")
    except ValueError:
        found = None
    if not isinstance(found, list) or not all(isinstance(it, str) for it in found):
        raise bad_parameter(f"Param {name} must be an array.")
    if allowed is not None and not set(found) <= set(allowed):
        raise bad_parameter(f"Param {name} must be one of {{{', '.join(allowed)}}}.")
    return found
