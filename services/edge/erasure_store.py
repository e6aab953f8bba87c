"""Deletions of people's data that are under way: kept until nothing of the person is left."""

from datetime import datetime
from typing import Any

from pymongo import ASCENDING, IndexModel

from libs.mongo.client import Mongo, outages

COLLECTION = "erasures"
INDEXES = {COLLECTION: [IndexModel([("due_at", ASCENDING)], name="due")]}

Document = dict[str, Any]


class ErasureStore:
    """One document per deletion; when it is done it goes, with the names in it. All raise MongoUnavailable."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def begin(self, erasure: Document) -> None:
        """Note that a person is to be forgotten, before anything of it is done."""
        with outages():
            await self._mongo.collection(COLLECTION).insert_one(erasure)

    async def note(self, erasure_id: str, changes: Document) -> None:
        """Note how far it is."""
        with outages():
            await self._mongo.collection(COLLECTION).update_one({"_id": erasure_id}, {"$set": changes})

    async def due(self, now: datetime) -> list[Document]:
        """Return the deletions to go on with, longest due first."""
        with outages():
            cursor = self._mongo.collection(COLLECTION).find({"due_at": {"$lte": now}}).sort("due_at", ASCENDING)
            rows: list[Document] = await cursor.limit(100).to_list(None)
        return rows

    async def end(self, erasure_id: str) -> None:
        """Forget the deletion itself."""
        with outages():
            await self._mongo.collection(COLLECTION).delete_one({"_id": erasure_id})

    async def under_way(self) -> int:
        """Count the deletions that are not done."""
        with outages():
            return await self._mongo.collection(COLLECTION).count_documents({})
