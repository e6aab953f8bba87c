"""What is due: the sweeper's view of the records. One safety net for lost wake-ups, dead claimants and retries."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, UpdateOne

from libs.events.messages import MessageStatus
from libs.ledger.record import MESSAGES
from libs.mongo.client import Mongo, outages

# The history of a due record may have to be told again, its content and key not.
_PROJECTION = {"content": 0, "idempotency": 0}


class DueRecords:
    """Finds records past their `due` and moves them on."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def past(self, now: datetime, limit: int) -> list[dict[str, Any]]:
        """Return the records that were due before now, the longest due first."""
        with outages():
            cursor = self._mongo.collection(MESSAGES).find({"due": {"$lt": now}}, _PROJECTION, hint="due")
            rows: list[dict[str, Any]] = await cursor.sort("due", ASCENDING).limit(limit).to_list(None)
        return rows

    async def postpone(self, moves: Sequence[tuple[dict[str, Any], datetime]]) -> None:
        """Set the next look of each record, unless somebody has moved its `due` meanwhile."""
        updates = [
            UpdateOne(
                {"_id": row["_id"], "tenant": row["tenant"], "due": row["due"]},
                {"$set": {"due": due}, "$inc": {"looks": 1}},
            )
            for row, due in moves
        ]
        if updates:
            with outages():
                await self._mongo.collection(MESSAGES).bulk_write(updates, ordered=False)

    async def open(self, rows: Sequence[dict[str, Any]]) -> None:
        """Let messages whose time has come into their conversations: from now on they are in the sender's sight."""
        updates = [
            UpdateOne(
                {"_id": row["_id"], "tenant": row["tenant"], "state": MessageStatus.QUEUED.value, "rank": 0},
                {"$set": {"open": True}},
            )
            for row in rows
        ]
        if updates:
            with outages():
                await self._mongo.collection(MESSAGES).bulk_write(updates, ordered=False)

    async def orphaned(self, row: dict[str, Any], now: datetime, next_look: datetime) -> bool:
        """Move a record whose claimant died from sending to unknown; -> whether it was still that claim's."""
        changes = {
            "$set": {"state": MessageStatus.UNKNOWN.value, "due": next_look},
            "$min": {f"times.{MessageStatus.UNKNOWN.value}": now},
            "$addToSet": {"history": {"status": MessageStatus.UNKNOWN.value, "at": now}},
        }
        return await self._swap(row, MessageStatus.SENDING, changes)

    async def release(self, row: dict[str, Any], now: datetime) -> bool:
        """Put an unknown record back to queued, to be sent once more; -> whether it was still unknown.

        `resent` counts how often that was done; `state` and `rank` make sure that no status came in between.
        """
        changes = {
            "$set": {"state": MessageStatus.QUEUED.value},
            "$inc": {"resent": 1},
            "$addToSet": {"history": {"status": MessageStatus.QUEUED.value, "at": now}},
        }
        return await self._swap(row, MessageStatus.UNKNOWN, changes)

    async def keep_unknown(self, row: dict[str, Any], reason: str) -> bool:
        """Leave a record unknown for a person to decide; its conversation goes on without it."""
        changes = {"$set": {"unknown_reason": reason}, "$unset": {"open": "", "due": ""}}
        return await self._swap(row, MessageStatus.UNKNOWN, changes)

    async def _swap(self, row: dict[str, Any], state: MessageStatus, changes: dict[str, Any]) -> bool:
        query: dict[str, Any] = {"_id": row["_id"], "tenant": row["tenant"], "state": state.value, "rank": 0}
        if claim := row.get("claim"):
            query["claim.by"] = claim["by"]
        with outages():
            result = await self._mongo.collection(MESSAGES).update_one(query, changes)
        return result.modified_count == 1
