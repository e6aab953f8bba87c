"""What a message adds to the sums: a pure function of the rows that are known of it, and of the cost line that stands.

A step is counted as the difference between what the message added before and what it adds with the new row. So sums
are the same whatever order rows came in, and counting all of the history anew gives them again. What it costs is what
was booked: a card that comes later, or a mended rule, changes no sum before a further line says so.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from services.analytics.buckets import bucket_of
from services.analytics.lines import millionths
from services.analytics.stages import Row, failure_of, stages_of

FAILED_WITH = "failed:"  # and the error's code
NO_CODE = "unknown"
LONGEST_CODE = 64  # characters: ours are shorter, and a measure's name is a field's
ATTEMPTED = "attempted"  # what Meta accepted, and what failed without


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


def contribution(rows: Sequence[Row], line: Mapping[str, Any] | None) -> Sums:
    """Return what a message adds to the sums by these rows and the line that stands; nothing where there are none."""
    return stages_reached(rows) + cost(rows, line)


def stages_reached(rows: Sequence[Row]) -> Sums:
    """Return what a message adds to messages by stage, and to what happened when."""
    sums = Sums()
    if not rows:
        return sums
    first = rows[0]
    tenant, of, made = first["tenant"], _shared(first), bucket_of(first["created_at"])
    cohort, stages = Key(Kind.COHORT, tenant, made.day, of), stages_of(rows)
    if "accepted" in stages or "failed" in stages:
        sums[cohort, made.quarter, ATTEMPTED] += 1
    for stage, at in stages.items():
        bucket = bucket_of(at)
        sums[cohort, made.quarter, stage] += 1
        sums[Key(Kind.MOVED, tenant, bucket.day, of), bucket.quarter, stage] += 1
        if stage == "sent":
            sums[Key(Kind.MOVED, tenant, bucket.day, of), bucket.quarter, _typed(first)] += 1
    if "failed" in stages:
        sums[cohort, made.quarter, FAILED_WITH + _plain(failure_of(rows) or NO_CODE)] += 1
    return sums


def cost(rows: Sequence[Row], line: Mapping[str, Any] | None) -> Sums:
    """Return what a message adds to costs: what its line says; without one it is unknown once it was delivered."""
    if line is not None:
        of = {name: line.get(name) for name in (*SHARED, *PRICE)}
        return _at(Kind.COST, line["tenant"], line["at"], tuple(of.items()), _charged(line))
    at = stages_of(rows).get("delivered")
    if at is None:
        return Sums()
    first = rows[0]
    of = {name: first.get(name) for name in SHARED} | dict.fromkeys(PRICE)
    return _at(Kind.COST, first["tenant"], at, tuple(of.items()), {"messages": 1, "unknown": 1})


def received(row: Row) -> Sums:
    """Return what an inbound message adds."""
    named = ("phone_number_id", "country")
    of = tuple((name, row[name] if name in named else None) for name in SHARED)
    return _at(Kind.MOVED, row["tenant"], row["at"], of, {"received": 1, _typed(row): 1})


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


def _shared(row: Row) -> tuple[tuple[str, str | None], ...]:
    return tuple((name, row.get(name)) for name in SHARED)


def _at(
    kind: Kind, tenant: str, at: datetime, of: tuple[tuple[str, str | None], ...], measures: Mapping[str, int]
) -> Sums:  # fmt: skip
    bucket = bucket_of(at)
    key = Key(kind, tenant, bucket.day, of)
    return Sums({(key, bucket.quarter, measure): count for measure, count in measures.items()})


def _typed(row: Row) -> str:
    return TYPE + (row["type"] if row["type"] in KNOWN_TYPES else OTHER_TYPE)


def _plain(code: str) -> str:
    """Return a code as the name of a field can be: no dots, and nothing that does not print."""
    return "".join(it if it.isascii() and (it.isalnum() or it in "_-") else "_" for it in code[:LONGEST_CODE])


def _charged(line: Mapping[str, Any]) -> dict[str, int]:
    """Return what a line counts: its message, and the price unless another message of its conversation carries it."""
    measures = {"messages": 1, "billable" if line["billable"] else "free": 1}
    if line["opens"]:
        measures["conversations"] = 1
    if not line["billable"] or line["opens"] is False:
        return measures
    measures["unpriced" if line["amount"] is None else "priced"] = 1
    spent = millionths(line)
    return measures | {"millionths": spent} if spent else measures
