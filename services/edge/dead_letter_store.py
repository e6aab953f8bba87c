"""What became of dead letters, in MongoDB: they themselves lie in Kafka."""

from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, IndexModel, ReturnDocument

from libs.mongo.client import Mongo, outages

COLLECTION = "dead_letter_notes"
KEPT = timedelta(days=31)  # a day longer than Kafka keeps dead letters
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

    async def settle(self, tenant: str, place: str, state: str, now: datetime) -> Document:
        """Note what became of a letter; -> the note that stands, this one or an earlier one."""
        with outages():
            row: Document = await self._mongo.collection(COLLECTION).find_one_and_update(
                {"_id": place, "tenant": tenant},
                {"$setOnInsert": {"state": state, "at": now}},
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        return row

    async def get(self, tenant: str, place: str) -> Document | None:
        """Return a letter's note."""
        with outages():
            row: Document | None = await self._mongo.collection(COLLECTION).find_one({"_id": place, "tenant": tenant})
        return row

    async def settled(self, tenant: str) -> dict[str, str]:
        """Return the state of each of a tenant's letters that has a note: place -> state."""
        with outages():
            cursor = self._mongo.collection(COLLECTION).find({"tenant": tenant}, {"state": 1})
            rows: list[Document] = await cursor.to_list(None)
        return {row["_id"]: row["state"] for row in rows}
