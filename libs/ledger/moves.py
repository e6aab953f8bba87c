"""What Meta's statuses do to a record: ranks and times that only grow, in any order, any number of times."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from pymongo import UpdateOne

from libs.events.messages import BillingConversation, MessageError, MessageStatus, Pricing
from libs.ledger.record import MESSAGES
from libs.ledger.states import RANKS, implied
from libs.mongo.client import Mongo, outages

# What the tracker needs of a record to tell of it.
PROJECTION = {"content": 0, "history": 0, "idempotency": 0}


@dataclass(frozen=True, slots=True)
class StatusReport:
    """One status of Meta's about one of our messages (found by our id in the callback data). Of a message whose person
    was forgotten it says nothing of who they are: `wamid` is empty, as Meta's ids hold the number.
    """

    message_id: str
    phone_number_id: str
    wamid: str
    status: MessageStatus
    at: datetime
    recipient_id: str | None = None
    user_id: str | None = None
    error: MessageError | None = None
    pricing: Pricing | None = None
    conversation: BillingConversation | None = None

    def of_nobody(self) -> "StatusReport":
        """Return the same without the person."""
        return replace(self, wamid="", recipient_id=None, user_id=None)


@dataclass(slots=True)
class _Merged:
    """All reports of one batch about one message, as one update."""

    rank: int = 0
    times: dict[str, datetime] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    wamids: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def add(self, report: StatusReport) -> None:
        self.rank = max(self.rank, RANKS[report.status])
        for status in implied(report.status):
            self.times[status.value] = min(report.at, self.times.get(status.value, report.at))
        self.history.append({"status": report.status.value, "at": report.at})
        if report.wamid and report.wamid not in self.wamids:
            self.wamids.append(report.wamid)
        for name in ("error", "pricing", "conversation"):
            if (fact := getattr(report, name)) is not None:
                self.facts[name] = fact.model_dump(exclude_none=True)

    def update(self) -> dict[str, Any]:
        return {
            "$max": {"rank": self.rank},
            "$min": {f"times.{name}": at for name, at in self.times.items()},
            "$addToSet": {"history": {"$each": self.history}, "wamids": {"$each": self.wamids}},
            "$unset": {"open": "", "claim": "", "not_before": ""},
        } | ({"$set": self.facts} if self.facts else {})


class Moves:
    """Moves records forward by what Meta reports."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def records(self, message_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Find the outbound records with these ids, in one round trip."""
        ids = list(set(message_ids))
        if not ids:
            return {}
        with outages():
            rows = (
                await self._mongo.collection(MESSAGES)
                .find({"_id": {"$in": ids}, "direction": "outbound"}, PROJECTION)
                .to_list(None)
            )
        return {row["_id"]: row for row in rows}

    async def apply(
        self, reports: Sequence[tuple[str, StatusReport]], waited_for: Collection[str] = (), now: datetime | None = None
    ) -> None:
        """Apply (tenant, report) pairs in one round trip; repeating or reordering them ends in the same record.

        `due` stays: the sweeper takes it away once it has made sure that the events are told. The messages of
        `waited_for` held up their conversation: they are due `now`, so that the sweeper wakes it.
        """
        merged: dict[tuple[str, str, str], _Merged] = {}
        for tenant, report in reports:
            merged.setdefault((tenant, report.message_id, report.phone_number_id), _Merged()).add(report)
        if not merged:
            return
        updates = []
        for (tenant, message_id, number), moves in merged.items():
            changes = moves.update()
            if now is not None and message_id in waited_for:
                changes["$min"]["due"] = now
            updates.append(UpdateOne({"_id": message_id, "tenant": tenant, "phone_number_id": number}, changes))
        with outages():
            await self._mongo.collection(MESSAGES).bulk_write(updates, ordered=False)
