"""What became of dead letters, in MongoDB: they themselves lie in Kafka."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, IndexModel, ReturnDocument, UpdateOne
from pymongo.errors import BulkWriteError

from libs.mongo.client import Mongo, duplicates, outages
from libs.mongo.leases import Lease
from libs.runtime.ids import new_id

COLLECTION = "dead_letter_notes"
KEPT = timedelta(days=31)  # a day longer than Kafka keeps dead letters
TURN = timedelta(seconds=60)  # of a process that died; longer than a call takes
INDEXES = {
    COLLECTION: [
        IndexModel([("tenant", ASCENDING)], name="tenant"),
        IndexModel([("at", ASCENDING)], name="forget", expireAfterSeconds=int(KEPT.total_seconds())),
    ]
}

Document = dict[str, Any]


class DeadLetterStore:
    """One note per letter that was replayed or discarded; the first one stays."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    def turn(self) -> Lease:
        """Return the right to put letters back or discard them: two at once would put the same ones back twice."""
        return Lease(self._mongo, "dead-letters", new_id(), TURN)

    async def settle(self, tenant: str, mark: str, state: str, why: str | None, now: datetime) -> Document:
        """Note what became of a letter; -> the note that stands, this one or an earlier one."""
        with outages():
            row: Document = await self._mongo.collection(COLLECTION).find_one_and_update(
                {"_id": mark, "tenant": tenant},
                {"$setOnInsert": {"state": state, "why": why, "at": now}},
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        return row

    async def get(self, tenant: str, mark: str) -> Document | None:
        """Return a letter's note."""
        with outages():
            row: Document | None = await self._mongo.collection(COLLECTION).find_one({"_id": mark, "tenant": tenant})
        return row

    async def settle_all(
        self, letters: Sequence[tuple[str, str]], state: str, why: str | None, now: datetime
    ) -> None:  # fmt: skip
        """Note what became of many, each its tenant and its mark; notes that stand stay."""
        fields = {"$setOnInsert": {"state": state, "why": why, "at": now}}
        notes = [UpdateOne({"_id": mark, "tenant": tenant}, fields, upsert=True) for tenant, mark in letters]
        if notes:
            try:
                with outages():
                    await self._mongo.collection(COLLECTION).bulk_write(notes, ordered=False)
            except BulkWriteError as error:
                duplicates(error)  # another process noted them at the same instant

    async def settled(self, tenant: str | None) -> dict[str, str]:
        """Return the state of each of a tenant's letters that has a note, of everybody's for None: mark -> state."""
        whose = {} if tenant is None else {"tenant": tenant}
        with outages():
            cursor = self._mongo.collection(COLLECTION).find(whose, {"state": 1})
            rows: list[Document] = await cursor.to_list(None)
        return {row["_id"]: row["state"] for row in rows}
