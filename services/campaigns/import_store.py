"""Imports in MongoDB: what became of each stream of recipients, and its bad rows."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel

from libs.mongo.client import Mongo, outages
from libs.runtime.ids import new_id

IMPORTS = "campaign_imports"
IMPORT_ERRORS = "campaign_import_errors"
INDEXES = {
    IMPORTS: [IndexModel([("campaign_id", ASCENDING), ("_id", DESCENDING)], name="campaign")],
    IMPORT_ERRORS: [
        IndexModel([("import_id", ASCENDING), ("line", ASCENDING)], name="import"),
        IndexModel([("campaign_id", ASCENDING)], name="campaign"),
    ],
}

Document = dict[str, Any]


class ImportStatus(StrEnum):
    """Where an import stands. One that broke, or whose process died, is `incomplete`: what it added before is there."""

    RUNNING = "running"
    COMPLETED = "completed"
    INCOMPLETE = "incomplete"


class ImportStore:
    """Keeps imports of one campaign at a time."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def begin(self, campaign: Document, media_type: str, now: datetime) -> str:
        """Note that an import begins; -> its id."""
        import_id = new_id()
        with outages():
            await self._mongo.collection(IMPORTS).insert_one({
                "_id": import_id, "campaign_id": campaign["_id"], "tenant": campaign["tenant"], "format": media_type,
                "status": ImportStatus.RUNNING.value, "lines": 0, "added": 0, "duplicates": 0, "invalid": 0,
                "errors_truncated": False, "error": None, "started_at": now, "touched_at": now, "ended_at": None,
            })  # fmt: skip
        return import_id

    async def note(self, import_id: str, changes: Document) -> None:
        """Write how far it is, or how it ended."""
        with outages():
            await self._mongo.collection(IMPORTS).update_one({"_id": import_id}, {"$set": changes})

    async def note_errors(self, rows: Sequence[Document]) -> None:
        """Keep bad rows."""
        with outages():
            await self._mongo.collection(IMPORT_ERRORS).insert_many(list(rows), ordered=False)

    async def get(self, campaign: Document, import_id: str) -> Document | None:
        """Return an import of a campaign."""
        query = {"_id": import_id, "campaign_id": campaign["_id"], "tenant": campaign["tenant"]}
        with outages():
            found: Document | None = await self._mongo.collection(IMPORTS).find_one(query)
        return found

    async def page(self, campaign: Document, limit: int, after: str | None) -> list[Document]:
        """Return a campaign's imports, newest first."""
        query = {"campaign_id": campaign["_id"], "tenant": campaign["tenant"]}
        query |= {"_id": {"$lt": after}} if after else {}
        with outages():
            cursor = self._mongo.collection(IMPORTS).find(query).sort("_id", DESCENDING).limit(limit)
            rows: list[Document] = await cursor.to_list(None)
        return rows

    async def running(self, campaign: Document, since: datetime) -> bool:
        """Tell whether an import of the campaign was at work since then."""
        query = {"campaign_id": campaign["_id"], "status": ImportStatus.RUNNING.value, "touched_at": {"$gte": since}}
        with outages():
            return await self._mongo.collection(IMPORTS).find_one(query, {"_id": 1}) is not None

    async def incomplete(self, campaign: Document, since: datetime) -> int:
        """Count the imports that added people and did not come to their end; nor did one not touched since then."""
        given_up = {"status": ImportStatus.RUNNING.value, "touched_at": {"$lt": since}}
        query = {
            "campaign_id": campaign["_id"], "added": {"$gt": 0},
            "$or": [{"status": ImportStatus.INCOMPLETE.value}, given_up],
        }  # fmt: skip
        with outages():
            return await self._mongo.collection(IMPORTS).count_documents(query)

    async def errors(self, import_id: str) -> AsyncIterator[Document]:
        """Return the kept bad rows of an import in the order of their lines."""
        with outages():
            async for row in self._mongo.collection(IMPORT_ERRORS).find({"import_id": import_id}).sort("line", 1):
                yield row

    async def forget(self, campaign_id: str) -> None:
        """Delete all imports of a campaign that is gone."""
        with outages():
            await self._mongo.collection(IMPORTS).delete_many({"campaign_id": campaign_id})
            await self._mongo.collection(IMPORT_ERRORS).delete_many({"campaign_id": campaign_id})
