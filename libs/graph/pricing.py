"""What Meta says that it charged: `pricing_analytics` of an account."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from libs.graph.client import GraphClient, Json
from libs.graph.errors import GraphUnavailable, clean

FIELD = "pricing_analytics"
LONGEST_NAME = 64  # characters of a category or type: Meta's have 28 at most


@dataclass(frozen=True, slots=True)
class PricePoint:
    """Delivered messages of one day, price category and type (both in lower case); `cost` is None where Meta keeps it
    to itself: accounts that pay through a partner.
    """

    start: datetime
    end: datetime
    category: str
    pricing_type: str
    volume: int
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class PriceReport:
    """An account's points, and the currency of their costs."""

    currency: str | None
    points: tuple[PricePoint, ...]


class GraphPricing:
    """Reads an account's charges. Raises GraphRefused, or GraphUnavailable where the answer cannot be read."""

    def __init__(self, graph: GraphClient) -> None:
        self._graph = graph

    async def by_day(self, waba_id: str, token: str, start: datetime, end: datetime) -> PriceReport:
        """Read the days that lie between two times. Which time zone's days they are is Meta's affair: each says when
        it begins and ends, and the first and last one may be cut off.
        """
        asked = (
            f"currency,{FIELD}.start({int(start.timestamp())}).end({int(end.timestamp())}).granularity(DAILY)"
            '.metric_types(["COST","VOLUME"]).dimensions(["PRICING_CATEGORY","PRICING_TYPE"])'
        )
        answer = await self._graph.call("GET", f"/{waba_id}", token, params={"fields": asked})
        currency = answer.get("currency")
        try:
            found = answer.get(FIELD, {"data": []})["data"]
            points = tuple(_point(each) for part in found for each in part["data_points"])
        except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError):
            raise GraphUnavailable("Graph's answer on charges cannot be read") from None
        return PriceReport(clean(currency, 3) if isinstance(currency, str) else None, points)


def _point(said: Json) -> PricePoint:
    cost = said.get("cost")
    return PricePoint(
        datetime.fromtimestamp(int(said["start"]), UTC),
        datetime.fromtimestamp(int(said["end"]), UTC),
        _name(said["pricing_category"]),
        _name(said["pricing_type"]),
        _count(said["volume"]),
        Decimal(str(cost)) if cost is not None else None,
    )


def _name(said: Any) -> str:
    return clean(said, LONGEST_NAME).lower().replace("-", "_")


def _count(said: Any) -> int:
    count = int(said)
    if not 0 <= count < 2**53:
        raise InvalidOperation
    return count
