"""What a message adds to the sums: a pure function of the rows that are known of it.

A step is counted as the difference between what the message added before and what it adds with the new row. So sums
are the same whatever order rows came in, and counting all of the history anew gives them again.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from services.analytics.buckets import bucket_of
from services.analytics.charges import Charge, charge_of
from services.analytics.stages import Row, failure_of, stages_of

FAILED_WITH = "failed:"  # and the error's code
NO_CODE = "unknown"


class Kind(StrEnum):
    """What a sum is of: messages by when they were made, moves by when they happened, charges by when they arose."""

    COHORT = "cohort"
    MOVED = "moved"
    COST = "cost"


class Key(NamedTuple):
    """One document of sums: its kind, tenant and day, and what it is of (names and values, always in one order).

    `rollup` says by what it can be found: everything about a message (`ALL`), one thing (`country=DE`), or nothing.
    """

    kind: Kind
    tenant: str
    day: datetime
    of: tuple[tuple[str, str | None], ...]
    rollup: str = "*"


Sums = Counter[tuple[Key, int, str]]  # by document, quarter of an hour and measure

SHARED = ("phone_number_id", "campaign_id", "template", "country", "category")
PRICE = ("category", "pricing_model", "pricing_type", "currency", "rate_card")  # what every sum of costs is of
EVERYTHING, NOTHING = "*", ""
TYPE = "type:"  # and the type of a message that was sent or received

# The types that Meta has today. Others are counted together: a tenant's own app may invent as many as it likes.
KNOWN_TYPES = frozenset({
    "text", "template", "image", "audio", "video", "document", "sticker", "location", "contacts", "reaction", "button",
    "interactive", "order", "system", "unsupported", "unknown", "edit", "revoke", "request_welcome", "ephemeral",
    "media_placeholder",
})  # fmt: skip
OTHER_TYPE = "other"


def contribution(rows: Sequence[Row]) -> Sums:
    """Return what a message adds to the sums by these rows; nothing where there are none."""
    return contributed(rows, charge_of(rows))


def contributed(rows: Sequence[Row], charge: Charge | None) -> Sums:
    """Return the same of a message whose charge is known already."""
    sums = Sums()
    if not rows:
        return sums
    first = rows[0]
    tenant, of, made = (
        first["tenant"],
        tuple((name, first.get(name)) for name in SHARED),
        bucket_of(first["created_at"]),
    )
    cohort, stages = Key(Kind.COHORT, tenant, made.day, of), stages_of(rows)
    for stage, at in stages.items():
        bucket = bucket_of(at)
        sums[cohort, made.quarter, stage] += 1
        sums[Key(Kind.MOVED, tenant, bucket.day, of), bucket.quarter, stage] += 1
        if stage == "sent":
            sums[Key(Kind.MOVED, tenant, bucket.day, of), bucket.quarter, _typed(first)] += 1
    if "failed" in stages:
        sums[cohort, made.quarter, FAILED_WITH + (failure_of(rows) or NO_CODE).replace(".", "_")] += 1
    if charge is not None:
        key, quarter = _cost(first, charge)
        sums.update({(key, quarter, measure): count for measure, count in _charged(charge).items()})
    return sums


def received(row: Row) -> Sums:
    """Return what an inbound message adds."""
    named = ("phone_number_id", "country")
    of, bucket = tuple((name, row[name] if name in named else None) for name in SHARED), bucket_of(row["at"])
    key = Key(Kind.MOVED, row["tenant"], bucket.day, of)
    return Sums({(key, bucket.quarter, measure): 1 for measure in ("received", _typed(row))})


def difference(before: Sums, after: Sums) -> Sums:
    """Return what has to be added to come from the one to the other."""
    made = Sums(after)
    made.subtract(before)
    return Sums({place: count for place, count in made.items() if count})


def rolled_up(sums: Sums) -> Sums:
    """Return the sums together with those by one thing only, and by nothing: what most questions need.

    How many there are of those does not depend on how many combinations of things there are.
    """
    found = Sums(sums)
    for (key, quarter, measure), count in sums.items():
        for rollup in _rollups(key):
            found[rollup, quarter, measure] += count
    return found


def _rollups(key: Key) -> list[Key]:
    of = dict(key.of)
    always = {name: of[name] for name in PRICE} if key.kind is Kind.COST else {}
    found = [key._replace(of=tuple(always.items()), rollup=NOTHING)]
    for name in SHARED:
        if name not in always:
            found.append(key._replace(of=tuple((always | {name: of[name]}).items()), rollup=place_of(name, of[name])))
    return found


def place_of(name: str, value: str | None) -> str:
    """Return where sums by one thing are found."""
    return f"{name}={value or ''}"


def opened(row: Row, charge: Charge) -> Sums:
    """Return what a billing conversation adds by the message that opened it."""
    key, quarter = _cost(row, charge)
    return Sums({(key, quarter, measure): count for measure, count in {"conversations": 1, **_priced(charge)}.items()})


def _typed(row: Row) -> str:
    return TYPE + (row["type"] if row["type"] in KNOWN_TYPES else OTHER_TYPE)


def _charged(charge: Charge) -> dict[str, int]:
    measures = {"messages": 1, charge.outcome: 1}
    return measures | _priced(charge) if charge.billable and not charge.opens else measures


def _priced(charge: Charge) -> dict[str, int]:
    known = {"unpriced" if charge.amount is None else "priced": 1}
    return known | {"millionths": charge.millionths} if charge.millionths else known


def _cost(row: Row, charge: Charge) -> tuple[Key, int]:
    bucket = bucket_of(charge.at)
    of = {name: row.get(name) for name in SHARED} | {name: getattr(charge, name) for name in PRICE}
    return Key(Kind.COST, row["tenant"], bucket.day, tuple(of.items())), bucket.quarter
