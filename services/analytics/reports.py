"""Sums put together into answers. Pure: documents in, answers out."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from libs.pricing.rate_card import RateCard
from libs.pricing.volume_tiers import tier_of
from services.analytics.buckets import Slice, slices
from services.analytics.counting import ATTEMPTED, FAILED_WITH, TYPE
from services.analytics.lines import MILLIONTHS
from services.analytics.stages import REPLIED, STAGES

TIERED = ("utility", "authentication", "authentication_international")
BY_STATUS, BY_TYPE, BY_DIRECTION = "status", "type", "direction"
RECEIVED, SENT = "received", "sent"
COST_GROUPS = (
    "category",
    "pricing_model",
    "pricing_type",
    "country",
    "day",
    "phone_number_id",
    "campaign_id",
    "template",
)

Document = dict[str, Any]


class Step(NamedTuple):
    """A row of a time series: its name, and from when to when."""

    name: str
    start: datetime
    end: datetime


def measures(rows: Iterable[Document], days: Sequence[Slice]) -> Counter[str]:
    """Return the sums of documents over the days that are asked for; over all of them where none is named."""
    by_day, total = {it.day: it for it in days}, Counter[str]()
    for row in rows:
        total.update(measures_in(row, by_day[row["day"]] if days else None))
    return total


def measures_in(row: Document, part: Slice | None) -> Mapping[str, int]:
    """Return what a document counts in a part of its day."""
    if part is None or part.whole:
        whole: Mapping[str, int] = row["n"]
        return whole
    found: Counter[str] = Counter()
    for quarter, counts in row["q"].items():
        if part.first <= int(quarter) < part.end:
            found.update(counts)
    return found


def funnel(counts: Mapping[str, int]) -> Document:
    """Return how many messages reached at least each stage, the rates, and why messages failed."""
    stages = {stage: counts.get(stage, 0) for stage in STAGES}
    errors = {
        name.removeprefix(FAILED_WITH): count
        for name, count in counts.items()
        if name.startswith(FAILED_WITH) and count
    }
    attempted = counts.get(ATTEMPTED, 0)
    rates = {
        "delivered_rate": _rate(stages["delivered"], stages["sent"]),
        "read_rate": _rate(stages["read"], stages["delivered"]),
        "replied_rate": _rate(stages[REPLIED], stages["delivered"]),
        "failed_rate": _rate(stages["failed"], attempted),
    }
    return (
        {ATTEMPTED: attempted}
        | stages
        | {
            "rates": rates,
            "errors": [{"code": code, "count": count} for code, count in sorted(errors.items(), key=lambda it: -it[1])],
        }
    )


def _rate(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def steps(now: datetime, days: int, zone: ZoneInfo, hourly: bool) -> list[Step]:
    """Return the days of a zone up to today, or their hours up to this one."""
    today = now.astimezone(zone).date()
    found: list[Step] = []
    for back in range(days - 1, -1, -1):
        day = today - timedelta(days=back)
        start, end = (
            datetime.combine(it, time(), zone).astimezone(UTC) for it in (day, day + timedelta(days=1))
        )  # fmt: skip
        if not hourly:
            found.append(Step(day.isoformat(), start, end))
        while hourly and start < min(end, now):
            until = min(start + timedelta(hours=1), end)
            found.append(Step(start.astimezone(zone).isoformat(), start, until))
            start = until
    return found


def series(rows: Sequence[Document], asked: Sequence[Step], by: str) -> list[Document]:
    """Return a row per step, with a zero where there was nothing."""
    docs: dict[datetime, list[Document]] = defaultdict(list)
    for row in rows:
        docs[row["day"]].append(row)
    found, names = [], dict.fromkeys(_names(rows, by), 0)
    for step in asked:
        counts = Counter[str](names)
        for part in slices(step.start, step.end):
            for row in docs.get(part.day, ()):
                _count(counts, measures_in(row, part), by)
        found.append({"date": step.name, "from": step.start, "to": step.end} | dict(counts))
    return found


def _names(rows: Sequence[Document], by: str) -> Sequence[str]:
    if by == BY_STATUS:
        return (*STAGES, RECEIVED)
    if by == BY_DIRECTION:
        return ("outbound", "inbound")
    return sorted({name.removeprefix(TYPE) for row in rows for name in row["n"] if name.startswith(TYPE)})


def _count(counts: Counter[str], measured: Mapping[str, int], by: str) -> None:
    if by == BY_STATUS:
        counts.update({name: count for name, count in measured.items() if name in counts})
    elif by == BY_TYPE:
        counts.update({name[len(TYPE) :]: count for name, count in measured.items() if name.startswith(TYPE)})
    else:
        counts["outbound"] += measured.get(SENT, 0)
        counts["inbound"] += measured.get(RECEIVED, 0)


def costs(rows: Sequence[Document], days: Sequence[Slice], groups: Sequence[str]) -> Document:
    """Return costs by group, each of one currency and rate card, and their total by currency."""
    by_day = {it.day: it for it in days}
    found: dict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
    totals: dict[str | None, Counter[str]] = defaultdict(Counter)
    for row in rows:
        counts = measures_in(row, by_day[row["day"]] if days else None)
        of = row | {"day": row["day"].date().isoformat()}
        found[tuple(of.get(name) for name in (*groups, "currency", "rate_card"))].update(counts)
        totals[row.get("currency")].update(counts)
    shown = [
        dict(zip((*groups, "currency", "rate_card"), group, strict=True)) | _money(counts)
        for group, counts in sorted(found.items(), key=lambda it: [str(value or "") for value in it[0]])
        if any(counts.values())
    ]
    return {
        "data": shown,
        "totals": [
            {"currency": currency} | _money(counts) for currency, counts in totals.items() if any(counts.values())
        ],
    }


def volume(rows: Sequence[Document], card: RateCard) -> list[Document]:
    """Return charged messages by market and category, of the categories that have tiers.

    `tier` is where the next message of the month would fall; None where no public source gives Meta's bounds.
    """
    found: Counter[tuple[str, str]] = Counter()
    for row in rows:
        if row.get("category") in TIERED and row.get("country") and row["n"].get("billable"):
            market = card.market_of_country(row["country"])
            if market is not None:
                found[market, row["category"]] += row["n"]["billable"]
    return [
        {"market": market, "category": category, "messages": count, "tier": tier_of(market, category, count + 1)}
        for (market, category), count in sorted(found.items())
    ]


def _money(counts: Mapping[str, int]) -> Document:
    """Counts, and the amount as text: 0 where all is free, None where nothing of what is charged has a known price."""
    unpriced, priced, spent = counts.get("unpriced", 0), counts.get("priced", 0), counts.get("millionths", 0)
    nobody_knows = not priced and (unpriced or counts.get("unknown", 0))
    return {name: counts.get(name, 0) for name in ("messages", "billable", "free", "unknown", "unpriced")} | {
        "conversations": counts.get("conversations", 0),
        "amount": None if nobody_knows else plain(Decimal(spent) / MILLIONTHS),
    }


def plain(amount: Decimal) -> str:
    """Print a sum without an exponent."""
    return format(amount.normalize(), "f") if amount else "0"
