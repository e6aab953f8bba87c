"""The sender's moves of a record: find the oldest, claim it before the POST, settle what came of it, tell it.

Every move is a compare-and-set on the state, so that of two senders (or one that was stopped and woke up) only one
gets the message. `due` is removed only once the event of a settled message is acknowledged: until then the sweeper
tells it again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, UpdateOne

from libs.events.messages import Lane, MessageError, MessageStatus
from libs.ledger.record import MESSAGES
from libs.ledger.states import RANKS
from libs.mongo.client import Mongo, outages

Record = dict[str, Any]
Thread = tuple[str, str, Lane]  # tenant, conversation id, lane

# Records read at once for a group of conversations: the oldest come first, so few are read in vain where some
# conversations have a backlog, and those that were not among them are asked for again.
ROWS_PER_THREAD = 4
SPARE_ROWS = 16

TOLD_WITHIN = timedelta(seconds=45)  # of its end: after that the sweeper tells an ended message's event


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to POST one message once: the token in the record, which attempt it is, and since when."""

    message_id: str
    tenant: str
    token: str
    attempt: int
    at: datetime
    lease_until: datetime


@dataclass(frozen=True, slots=True)
class Settlement:
    """What came of a claim: the state it ends in and what is known of it.

    `queued` (definitely not sent, try again after `not_before`), `accepted` (with the wamid), `failed` (with the
    error), `unknown` (nobody can tell yet) or `expired`.
    """

    claim: Claim
    status: MessageStatus
    at: datetime
    wamid: str | None = None
    error: MessageError | None = None
    not_before: datetime | None = None
    next_look: datetime | None = None


class Claims:
    """The open messages as the sender sees and moves them."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def oldest(self, threads: Sequence[Thread]) -> dict[Thread, Record | None]:
        """Find the oldest open message of each conversation and lane, in one round trip where there is no backlog."""
        found: dict[Thread, Record | None] = dict.fromkeys(threads)
        for lane in Lane:
            missing = [thread for thread in found if thread[2] is lane]
            while missing:
                limit = SPARE_ROWS + ROWS_PER_THREAD * len(missing)
                rows = await self._open_rows(missing, lane, limit)
                for row in rows:
                    thread = (row["tenant"], row["conversation_id"], lane)
                    if thread in found and found[thread] is None:
                        found[thread] = row
                if len(rows) < limit:
                    break
                missing = [thread for thread in missing if found[thread] is None]
        return found

    async def _open_rows(self, threads: Sequence[Thread], lane: Lane, limit: int) -> list[Record]:
        query = {
            "open": True,
            "tenant": {"$in": list({tenant for tenant, _, _ in threads})},
            "conversation_id": {"$in": list({conversation for _, conversation, _ in threads})},
            "lane": lane.value,
        }
        with outages():
            cursor = self._mongo.collection(MESSAGES).find(query, hint="open")
            rows: list[Record] = await cursor.sort("_id", ASCENDING).limit(limit).to_list(None)
        return rows

    async def claim(self, claims: Sequence[Claim]) -> list[bool]:
        """Move queued records to sending, each with its token; -> which of them we got."""
        updates = [UpdateOne(_claimable(claim), _claiming(claim)) for claim in claims]
        with outages():
            result = await self._mongo.collection(MESSAGES).bulk_write(updates, ordered=False)
            if result.matched_count == len(claims):
                return [True] * len(claims)
            tokens = [claim.token for claim in claims]
            rows = await (
                self._mongo.collection(MESSAGES)
                .find(
                    {"_id": {"$in": [claim.message_id for claim in claims]}, "claim.by": {"$in": tokens}},
                    {"claim.by": 1},
                )
                .to_list(None)
            )
        ours = {(row["_id"], row["claim"]["by"]) for row in rows}
        return [(claim.message_id, claim.token) in ours for claim in claims]

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Write what came of claims, in one round trip. Repeating it changes nothing."""
        updates = [UpdateOne(*_settling(settlement)) for settlement in settlements]
        with outages():
            await self._mongo.collection(MESSAGES).bulk_write(updates, ordered=False)

    async def end(self, record: Record, status: MessageStatus, at: datetime, error: MessageError | None = None) -> bool:
        """End a queued message without a POST (`expired`, `failed`, `canceled`); -> whether it was still queued.

        It is due soon, however far it was put off: should its event not get out now, the sweeper tells it.
        """
        changes: dict[str, Any] = {"$set": {"state": status.value}, "$unset": {"open": "", "not_before": ""}}
        _stamp(changes, status, at)
        changes["$min"]["due"] = at + TOLD_WITHIN
        if error is not None:
            changes["$set"]["error"] = error.model_dump(exclude_none=True)
        if status is MessageStatus.FAILED:
            changes["$max"] = {"rank": RANKS[status]}
        with outages():
            result = await self._mongo.collection(MESSAGES).update_one(
                {"_id": record["_id"], "tenant": record["tenant"], "state": MessageStatus.QUEUED.value, "rank": 0},
                changes,
            )
        return result.modified_count == 1

    async def take_back(self, tenant: str, message_ids: Sequence[str], at: datetime) -> set[str]:
        """Cancel those of a campaign's messages that are still queued; -> which of them are canceled by this, now or
        by an earlier call. What a person canceled is not among them. Their events are due at once.
        """
        status = MessageStatus.CANCELED
        changes: dict[str, Any] = {
            "$set": {"state": status.value, "taken_back": True},
            "$unset": {"open": "", "not_before": ""},
        }
        _stamp(changes, status, at)
        changes["$min"]["due"] = at
        mine = {"_id": {"$in": list(message_ids)}, "tenant": tenant}
        with outages():
            messages = self._mongo.collection(MESSAGES)
            await messages.update_many(mine | {"state": MessageStatus.QUEUED.value, "rank": 0}, changes)
            rows = await messages.find(mine | {"taken_back": True}, {"_id": 1}).to_list(None)
        return {row["_id"] for row in rows}

    async def defer(self, records: Sequence[Record], untils: Sequence[datetime]) -> None:
        """Put queued messages off until then: the sweeper releases them (each at the end of its life at the latest)."""
        updates = [
            UpdateOne(
                {"_id": record["_id"], "tenant": record["tenant"], "state": MessageStatus.QUEUED.value},
                {"$set": {"not_before": until, "due": min(until, record["expires_at"])}},
            )
            for record, until in zip(records, untils, strict=True)
        ]
        with outages():
            await self._mongo.collection(MESSAGES).bulk_write(updates, ordered=False)

    async def told(self, tenant_ids: Sequence[tuple[str, str]]) -> None:
        """Note that the events of these settled messages are out: nothing is due any more.

        Does not wait for the journal: where this is lost, the sweeper tells the event once more, under the same id.
        """
        query = {
            "_id": {"$in": [message_id for _, message_id in tenant_ids]},
            "tenant": {"$in": list({tenant for tenant, _ in tenant_ids})},
            "open": {"$exists": False},
        }
        with outages():
            await self._mongo.hasty(MESSAGES).update_many(query, {"$unset": {"due": ""}})


def _claimable(claim: Claim) -> dict[str, Any]:
    return {"_id": claim.message_id, "tenant": claim.tenant, "state": MessageStatus.QUEUED.value, "rank": 0}


def _claiming(claim: Claim) -> dict[str, Any]:
    changes: dict[str, Any] = {
        "$set": {
            "state": MessageStatus.SENDING.value,
            "claim": {"by": claim.token, "attempt": claim.attempt, "at": claim.at},
            "due": claim.lease_until,
        },
        "$unset": {"not_before": ""},
    }
    _stamp(changes, MessageStatus.SENDING, claim.at)
    return changes


def _settling(settlement: Settlement) -> tuple[dict[str, Any], dict[str, Any]]:
    claim, status = settlement.claim, settlement.status
    query: dict[str, Any] = {"_id": claim.message_id, "tenant": claim.tenant}
    changes: dict[str, Any] = {"$set": {}}
    _stamp(changes, status, settlement.at)
    if status is MessageStatus.ACCEPTED:
        # A fact, whoever holds the record by now: it grows the rank, it names the wamid, it closes the message.
        changes["$max"] = {"rank": RANKS[status]}
        changes["$unset"] = {"open": "", "claim": ""}
        changes["$set"] = {"state": status.value}
        changes["$addToSet"]["wamids"] = settlement.wamid
        return query, changes
    query |= {"state": {"$in": [MessageStatus.SENDING.value, MessageStatus.UNKNOWN.value]}, "claim.by": claim.token}
    changes["$set"] = {"state": status.value}
    if settlement.error is not None:
        changes["$set"]["error"] = settlement.error.model_dump(exclude_none=True)
    if status is MessageStatus.QUEUED:
        changes["$set"] |= {"not_before": settlement.not_before, "due": settlement.not_before}
    elif status is MessageStatus.UNKNOWN:
        changes["$set"]["due"] = settlement.next_look
    else:
        changes["$unset"] = {"open": "", "claim": ""}
        if status is MessageStatus.FAILED:
            changes["$max"] = {"rank": RANKS[status]}
    return query, changes


def _stamp(changes: dict[str, Any], status: MessageStatus, at: datetime) -> None:
    """Add the time of the state and its line in the history to an update."""
    changes["$min"] = {f"times.{status.value}": at}
    changes["$addToSet"] = {"history": {"status": status.value, "at": at}}


__all__ = ["Claim", "Claims", "Record", "Settlement", "Thread"]
