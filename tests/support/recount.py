"""Counting anew, by a way of its own: what the sums of analytics have to be."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

STAGES = ("accepted", "sent", "delivered", "read")
FURTHER = {"accepted": 1, "sent": 2, "delivered": 3, "read": 4}


def recount(events: Iterable[tuple[str, str]]) -> Counter[str]:
    """Return how many messages were attempted, and reached at least each stage, of pairs of message id and status."""
    known: dict[str, set[str]] = defaultdict(set)
    for message_id, status in events:
        known[message_id].add(status)
    found: Counter[str] = Counter()
    for statuses in known.values():
        furthest = max((FURTHER.get(status, 0) for status in statuses), default=0)
        found.update(stage for stage in STAGES if FURTHER[stage] <= furthest)
        found["attempted"] += furthest > 0 or "failed" in statuses
        if "failed" in statuses and furthest < FURTHER["delivered"]:
            found["failed"] += 1
    return +found


def shown(answer: dict[str, Any]) -> Counter[str]:
    """Return the same of a funnel's answer."""
    return Counter({name: answer[name] for name in ("attempted", *STAGES, "failed") if answer[name]})
