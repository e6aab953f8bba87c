"""The state machine of a message: what may follow what. Pure decisions, no I/O.

Before a wamid is known the sender moves the record by compare-and-set among queued, sending and unknown. From
`accepted` on the state is a rank that only grows, so that statuses may come in any order and any number of times.
"""

from datetime import datetime
from typing import Any

from libs.events.messages import MessageStatus

# `failed` stands below `delivered`: it ends only what was not delivered (several devices can report both).
RANKS = {
    MessageStatus.ACCEPTED: 10,
    MessageStatus.SENT: 20,
    MessageStatus.FAILED: 30,
    MessageStatus.DELIVERED: 40,
    MessageStatus.READ: 50,
}
BY_RANK = {rank: status for status, rank in RANKS.items()}

# States that we end a message in, and that nothing follows but a late word of Meta's.
ENDED_BY_US = frozenset({MessageStatus.EXPIRED, MessageStatus.CANCELED})

# Order in which states of one instant are told.
SEQUENCE = {status: place for place, status in enumerate(MessageStatus)}


def status_of(document: dict[str, Any]) -> MessageStatus:
    """Return the status of a message record (its `rank` and `state`)."""
    rank = document.get("rank", 0)
    return BY_RANK[rank] if rank else MessageStatus(document["state"])


def filter_for(status: MessageStatus) -> dict[str, Any]:
    """Return the filter that finds records of this status."""
    if status in RANKS:
        return {"rank": RANKS[status]}
    return {"rank": 0, "state": status.value}


def implied(status: MessageStatus) -> tuple[MessageStatus, ...]:
    """Return the states that a status of Meta's proves to have been reached, in order, itself included.

    Source: Meta skips `delivered` when a message is read at once, and any status proves that the send was accepted.
    """
    if status is MessageStatus.READ:
        return (MessageStatus.ACCEPTED, MessageStatus.DELIVERED, MessageStatus.READ)
    return (MessageStatus.ACCEPTED, status)


def history_of(document: dict[str, Any]) -> list[tuple[MessageStatus, datetime]]:
    """Return every move of the record in order: the ones written down, and the times they imply."""
    moves = {(MessageStatus(move["status"]), move["at"]) for move in document.get("history", ())}
    told = {status for status, _ in moves}
    moves |= {(MessageStatus(name), at) for name, at in document.get("times", {}).items() if name not in told}
    return sorted(moves, key=_place)


def _place(move: tuple[MessageStatus, datetime]) -> tuple[bool, datetime, int]:
    # Ours before Meta's: Meta counts whole seconds, so `sent` may carry an earlier time than our `sending`. `accepted`
    # is Meta's too where only a status tells it.
    status, at = move
    meta = RANKS.get(status, 0) >= RANKS[MessageStatus.ACCEPTED]
    return (meta, at, SEQUENCE[status]) if not meta else (meta, datetime.min.replace(tzinfo=at.tzinfo), RANKS[status])
