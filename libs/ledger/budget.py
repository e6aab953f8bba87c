"""A portfolio's unique users of the rolling 24 hours: Meta limits how many people templates may newly reach.

Source: Meta's messaging limits, per business portfolio since October 2025; replies inside a window do not count.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from pymongo import ASCENDING, IndexModel, UpdateOne

from libs.mongo.client import Mongo, outages

USERS = "portfolio_users"
DAY = timedelta(hours=24)
INDEXES = {
    USERS: [
        IndexModel([("at", ASCENDING)], name="forget", expireAfterSeconds=int(DAY.total_seconds())),
        IndexModel([("portfolio_id", ASCENDING), ("at", ASCENDING)], name="portfolio"),
    ]
}


class Budget:
    """Counts and spends the people a portfolio reaches outside of a window."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def reached(self, portfolio_id: str, contact_ids: Iterable[str], now: datetime) -> set[str]:
        """Return which of these people were reached in the last 24 h already: they cost nothing more."""
        ids = [f"{portfolio_id}:{contact_id}" for contact_id in contact_ids]
        with outages():
            rows = (
                await self._mongo.collection(USERS)
                .find({"_id": {"$in": ids}, "at": {"$gt": now - DAY}}, {"_id": 1})
                .to_list(None)
            )
        return {row["_id"].partition(":")[2] for row in rows}

    async def used(self, portfolio_id: str, now: datetime, most: int) -> int:
        """Count the people reached in the last 24 h, no further than `most`."""
        with outages():
            return await self._mongo.collection(USERS).count_documents(
                {"portfolio_id": portfolio_id, "at": {"$gt": now - DAY}}, limit=most
            )

    async def next_free(self, portfolio_id: str, now: datetime) -> datetime:
        """Return when the longest-ago person of the last 24 h is forgotten, and one more may be reached."""
        with outages():
            row = await self._mongo.collection(USERS).find_one(
                {"portfolio_id": portfolio_id, "at": {"$gt": now - DAY}}, sort=[("at", ASCENDING)]
            )
        return row["at"] + DAY if row else now

    async def spend(self, portfolio_id: str, contact_ids: Iterable[str], now: datetime) -> None:
        """Count these people as reached now."""
        updates = [
            UpdateOne(
                {"_id": f"{portfolio_id}:{contact_id}"},
                {"$set": {"portfolio_id": portfolio_id, "at": now}},
                upsert=True,
            )
            for contact_id in contact_ids
        ]
        if updates:
            with outages():
                await self._mongo.collection(USERS).bulk_write(updates, ordered=False)
