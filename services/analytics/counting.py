"""What a message adds to the sums: a pure function of the rows that are known of it.

A step is counted as the difference between what the message added before and what it adds with the new row. So sums
are the same whatever order rows came in, and counting all of the history anew gives them again.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from services.analytics.buckets import Bucket, bucket_of
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
    """One document of sums: its kind, tenant and day, and what it is of (names and values, sorted by name).

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
    sums = Sums()
    if not rows:
        return sums
    first = rows[0]
    of = {name: first.get(name) for name in SHARED}
    stages, made = stages_of(rows), bucket_of(first["created_at"])
    code = failure_of(rows) if "failed" in stages else None
    for stage, at in stages.items():
        _add(sums, Kind.COHORT, first["tenant"], made, of, stage)
        _add(sums, Kind.MOVED, first["tenant"], bucket_of(at), of, stage)
    if "sent" in stages:
        _add(sums, Kind.MOVED, first["tenant"], bucket_of(stages["sent"]), of, _typed(first))
    if "failed" in stages:
        _add(sums, Kind.COHORT, first["tenant"], made, of, FAILED_WITH + (code or NO_CODE).replace(".", "_"))
    if (charge := charge_of(rows)) is not None:
        _charge(sums, first["tenant"], of, charge)
    return sums


def received(row: Row) -> Sums:
    """Return what an inbound message adds."""
    sums = Sums()
    of = dict.fromkeys(SHARED) | {"phone_number_id": row["phone_number_id"], "country": row["country"]}
    for measure in ("received", _typed(row)):
        _add(sums, Kind.MOVED, row["tenant"], bucket_of(row["at"]), of, measure)
    return sums


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


def opened(tenant: str, of: Mapping[str, Any], charge: Charge) -> Sums:
    """Return what a billing conversation adds by the message that opened it."""
    sums = Sums()
    _add(sums, Kind.COST, tenant, bucket_of(charge.at), _cost(of, charge), "conversations")
    return sums


def _typed(row: Row) -> str:
    return TYPE + (row["type"] if row["type"] in KNOWN_TYPES else OTHER_TYPE)


def _charge(sums: Sums, tenant: str, of: Mapping[str, Any], charge: Charge) -> None:
    bucket, names = bucket_of(charge.at), _cost(of, charge)
    _add(sums, Kind.COST, tenant, bucket, names, "messages")
    _add(sums, Kind.COST, tenant, bucket, names, charge.outcome)
    if charge.billable:
        _add(sums, Kind.COST, tenant, bucket, names, "unpriced" if charge.amount is None else "priced")
    if charge.millionths:
        _add(sums, Kind.COST, tenant, bucket, names, "millionths", charge.millionths)


def _cost(of: Mapping[str, Any], charge: Charge) -> dict[str, str | None]:
    return {name: of.get(name) for name in SHARED} | {
        "category": charge.category,
        "pricing_model": charge.pricing_model,
        "pricing_type": charge.pricing_type,
        "currency": charge.currency,
        "rate_card": charge.rate_card,
    }


def _add(
    sums: Sums, kind: Kind, tenant: str, bucket: Bucket, of: Mapping[str, Any], measure: str, count: int = 1
) -> None:
    key = Key(kind, tenant, bucket.day, tuple(sorted(of.items())))
    sums[key, bucket.quarter, measure] += count
