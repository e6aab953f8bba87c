"""The audit log in MongoDB: an entry is inserted before its action, closed once after it, and never changed again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from libs.ledger.reader import MOST_SCAN
from libs.mongo.client import Mongo, outages

AUDIT_LOG = "audit_log"
UNCLEAR = "unclear"  # the outcome of an entry that nobody closed: whoever was at it died, or MongoDB was away then
INDEXES = {AUDIT_LOG: [IndexModel([("tenant", ASCENDING), ("_id", DESCENDING)], name="tenant")]}

Document = dict[str, Any]


class Seen(NamedTuple):
    """Who does not see all entries sees what one of these keys did, or what was done to one of these objects."""

    actors: Sequence[str]
    objects: Sequence[str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries: of a tenant, or (None) of all of them."""

    tenant: str | None
    action: str | None = None
    object_id: str | None = None
    actor: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    seen: Seen | None = None

    def query(self) -> Document:
        """Return the query."""
        said = {"tenant": self.tenant, "action": self.action, "actor": self.actor}
        query: Document = {name: value for name, value in said.items() if value is not None}
        if self.object_id is not None:
            query["$or"] = [{"object_id": self.object_id}, {"made_id": self.object_id}]
        times = {"$gte": self.since, "$lt": self.until}
        if bounds := {name: value for name, value in times.items() if value is not None}:
            query["at"] = bounds
        if self.seen is None:
            return query
        objects = {"$in": list(self.seen.objects)}
        either = [{"actor": {"$in": list(self.seen.actors)}}, {"object_id": objects}, {"made_id": objects}]
        return {"$and": [query, {"$or": either}]}


def indexes(kept: timedelta) -> dict[str, list[IndexModel]]:
    """Return the index whose time is a setting: entries go after it."""
    forget = IndexModel([("at", ASCENDING)], name="forget", expireAfterSeconds=int(kept.total_seconds()))
    return {AUDIT_LOG: [forget]}


class AuditStore:
    """Inserts, closes and reads entries. All raise MongoUnavailable."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def add(self, entry: Document) -> None:
        """Insert an entry; one that is there already stays as it is."""
        try:
            with outages():
                await self._mongo.collection(AUDIT_LOG).insert_one(entry)
        except DuplicateKeyError:
            return

    async def close(self, entry_id: str, facts: Document) -> None:
        """Say what came of an entry that is still open."""
        with outages():
            await self._mongo.collection(AUDIT_LOG).update_one({"_id": entry_id, "outcome": UNCLEAR}, {"$set": facts})

    async def page(self, wanted: Wanted, limit: int, after: str | None) -> list[Document]:
        """Return entries, newest first, those after an id.

        Raises TookTooLong where few among many are `seen`: no index has them.
        """
        query = wanted.query() | ({"_id": {"$lt": after}} if after else {})
        with outages():
            cursor = self._mongo.collection(AUDIT_LOG).find(query).sort("_id", DESCENDING).limit(limit)
            if wanted.seen is not None:
                cursor = cursor.max_time_ms(MOST_SCAN)
            rows: list[Document] = await cursor.to_list(None)
        return rows
