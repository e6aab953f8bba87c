"""Which stages a message reached, and when, by what is known of it: in any order, the same answer."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from libs.events.messages import MessageStatus

REPLIED = "replied"  # a person wrote within the time after our message: no status of Meta's

# A status proves the stages before it. Failed, expired and canceled are ends of their own.
_PROVEN = {
    MessageStatus.ACCEPTED.value: ("accepted",),
    MessageStatus.SENT.value: ("accepted", "sent"),
    MessageStatus.DELIVERED.value: ("accepted", "sent", "delivered"),
    MessageStatus.READ.value: ("accepted", "sent", "delivered", "read"),
}
NAMED = "named"  # on a row of a reply: whether it names our message, which proves that it arrived
_ENDS = (MessageStatus.FAILED.value, MessageStatus.EXPIRED.value, MessageStatus.CANCELED.value)
FUNNEL = ("accepted", "sent", "delivered", "read", REPLIED)
STAGES = (*FUNNEL, *_ENDS)
COUNTED = frozenset((*_PROVEN, REPLIED, *_ENDS))  # statuses that are kept; queued, sending and unknown are on the way

Row = Mapping[str, Any]


def stages_of(rows: Sequence[Row]) -> dict[str, datetime]:
    """Return the stages that a message reached at least, each with the earliest time that proves it.

    A message that was delivered after all did not fail, expire or get canceled. A reply that does not name it counts
    once it was delivered: it may as well be one to what came before.
    """
    found: dict[str, datetime] = {}
    for row in rows:
        for stage in _proven(row):
            found[stage] = min(row["at"], found.get(stage, row["at"]))
    if "delivered" not in found:
        ended = [row for row in rows if row["status"] in _ENDS]
        for row in ended:
            found[row["status"]] = row["at"]
    for row in rows:
        if row["status"] == REPLIED and "delivered" in found:
            found[REPLIED] = row["at"]
    return found


def _proven(row: Row) -> Sequence[str]:
    if row["status"] == REPLIED:
        return _PROVEN[MessageStatus.DELIVERED.value] if row.get(NAMED) else ()
    return _PROVEN.get(row["status"], ())


def failure_of(rows: Sequence[Row]) -> str | None:
    """Return the error's code of a message that failed, None where it did not, or nobody said why."""
    for row in rows:
        if row["status"] == MessageStatus.FAILED.value:
            code: str | None = row.get("error")
            return code
    return None
