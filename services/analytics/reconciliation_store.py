"""Days that were compared with Meta's, and when each account's turn comes again."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel, ReplaceOne

from libs.mongo.client import Mongo, outages
from libs.runtime.ids import derived_id
from services.analytics.page_store import newest
from services.analytics.sums_store import Whose

COMPARED, TURNS = "reconciliation_days", "reconciliation_accounts"

INDEXES = {
    COMPARED: [
        IndexModel([("tenant", ASCENDING), ("start", DESCENDING), ("_id", DESCENDING)], name="newest"),
        IndexModel([("end", DESCENDING)], name="latest"),
    ],
    TURNS: [IndexModel([("tenant", ASCENDING)], name="tenant"), IndexModel([("due_at", ASCENDING)], name="due")],
}

Document = dict[str, Any]


class ReconciliationStore:
    """Days are replaced whole when they are compared again. All raise MongoUnavailable."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def resting(self, now: datetime) -> set[tuple[str, str]]:
        """Return the accounts (tenant, WABA) whose turn has not come again."""
        with outages():
            rows = await self._mongo.collection(TURNS).find({"due_at": {"$gt": now}}).to_list(None)
        return {(row["tenant"], row["waba_id"]) for row in rows}

    async def keep(self, tenant: str, waba_id: str, days: Sequence[Document], since: datetime, now: datetime) -> None:
        """Keep the days that an account was compared on at a time, and forget others since `since`: Meta's days may
        have other bounds than those that stood in for them.
        """
        of = {"tenant": tenant, "waba_id": waba_id, "compared_at": now}
        rows = [
            {"_id": derived_id("reconciliation", tenant, waba_id, day["start"].isoformat())} | of | day for day in days
        ]
        table = self._mongo.collection(COMPARED)
        with outages():
            if rows:
                await table.bulk_write([ReplaceOne({"_id": row["_id"]}, row, upsert=True) for row in rows])
            others = {"tenant": tenant, "waba_id": waba_id, "start": {"$gt": since}, "compared_at": {"$lt": now}}
            await table.delete_many(others)

    async def rest(self, tenant: str, waba_id: str, due_at: datetime, said: Mapping[str, Any]) -> None:
        """Say how an account's turn went, and when the next one comes."""
        fields = {"tenant": tenant, "waba_id": waba_id, "due_at": due_at} | dict(said)
        with outages():
            await self._mongo.collection(TURNS).update_one(
                {"_id": derived_id("reconciliation", tenant, waba_id)}, {"$set": fields}, upsert=True
            )

    async def turns(self, tenant: str) -> list[Document]:
        """Return how the last turns of a tenant's accounts went."""
        with outages():
            rows: list[Document] = await self._mongo.collection(TURNS).find({"tenant": tenant}).to_list(None)
        return rows

    async def complete_since(self, since: datetime) -> list[Document]:
        """Return the entries of every day that was over when it was compared, and ended since a time."""
        query = {"end": {"$gte": since}, "complete": True}
        with outages():
            rows: list[Document] = await self._mongo.collection(COMPARED).find(query, {"entries": 1}).to_list(None)
        return rows

    async def newest(self, whose: Whose, query: Mapping[str, Any], limit: int, after: str | None) -> list[Document]:
        """Return up to `limit` days, newest first. Raises Invalid where `after` is none of them."""
        return await newest(self._mongo, COMPARED, "start", whose.tenant, query, limit, after, whose.reach.by_account)
