"""A portfolio's unique users of the rolling 24 hours: Meta limits how many people templates may newly reach.

Source: Meta's messaging limits, per business portfolio since October 2025; replies inside a window do not count.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from pymongo import ASCENDING, IndexModel, UpdateOne

from libs.mongo.client import Mongo, Session, outages

USERS = "portfolio_users"
TURNS = "portfolio_turns"  # a document per portfolio, changed by whoever reserves: `used`, at most so many are reached
DAY = timedelta(hours=24)
INDEXES = {
    USERS: [
        IndexModel([("at", ASCENDING)], name="forget", expireAfterSeconds=int(DAY.total_seconds())),
        IndexModel([("portfolio_id", ASCENDING), ("at", ASCENDING)], name="portfolio"),
    ]
}


class Budget:
    """Counts and reserves the people a portfolio reaches outside of a window."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def reserve(self, portfolio_id: str, contact_ids: Iterable[str], limit: int, now: datetime) -> set[str]:
        """Count these people, in their order, as reached now as far as the limit goes; -> who may be written to.

        Who was reached in the last 24 h costs nothing more. However many senders reserve at once, together they get no
        more than the limit: each changes the portfolio's one document, so that one of two that overlap begins anew.
        """
        wanted = list(dict.fromkeys(contact_ids))
        with outages():
            reached = await self._reached(portfolio_id, wanted, now)
        if reached.issuperset(wanted):
            return reached

        async def unit(session: Session) -> set[str]:
            reached = await self._reached(portfolio_id, wanted, now, session)
            newly = [each for each in wanted if each not in reached]
            used = await self._used_at_most(portfolio_id, session)
            if used is None or used + len(newly) > limit:
                used = await self._count(portfolio_id, now, limit, session)
            newly = newly[: max(limit - used, 0)]
            if newly:
                await self._spend(portfolio_id, newly, used + len(newly), now, session)
            return reached | set(newly)

        return await self._mongo.transaction(unit)

    async def _reached(
        self, portfolio_id: str, contact_ids: Iterable[str], now: datetime, session: Session | None = None
    ) -> set[str]:  # fmt: skip
        ids = [_place(portfolio_id, contact_id) for contact_id in contact_ids]
        query = {"_id": {"$in": ids}, "at": {"$gt": now - DAY}}
        rows = await self._mongo.collection(USERS).find(query, {"_id": 1}, session=session).to_list(None)
        return {row["_id"].partition(":")[2] for row in rows}

    async def used(self, portfolio_id: str, now: datetime, most: int) -> int:
        """Count the people reached in the last 24 h, no further than `most`."""
        with outages():
            return await self._count(portfolio_id, now, most)

    async def next_free(self, portfolio_id: str, now: datetime) -> datetime:
        """Return when the longest-ago person of the last 24 h is forgotten, and one more may be reached."""
        with outages():
            row = await self._mongo.collection(USERS).find_one(
                {"portfolio_id": portfolio_id, "at": {"$gt": now - DAY}}, sort=[("at", ASCENDING)]
            )
        return row["at"] + DAY if row else now

    async def _count(self, portfolio_id: str, now: datetime, most: int, session: Session | None = None) -> int:
        if most < 1:  # MongoDB takes no limit of 0
            return 0
        query = {"portfolio_id": portfolio_id, "at": {"$gt": now - DAY}}
        return await self._mongo.collection(USERS).count_documents(query, limit=most, session=session)

    async def _used_at_most(self, portfolio_id: str, session: Session) -> int | None:
        """Return a number that no more people were reached than; None where nobody has counted yet.

        It grows with each reservation and is not lowered as people are forgotten: a hundred thousand are counted only
        where it says that the limit is near.
        """
        row = await self._mongo.collection(TURNS).find_one({"_id": portfolio_id}, session=session)
        return row["used"] if row else None

    async def _spend(
        self, portfolio_id: str, contact_ids: Iterable[str], used: int, now: datetime, session: Session
    ) -> None:  # fmt: skip
        fields = {"$set": {"portfolio_id": portfolio_id, "at": now}}
        updates = [UpdateOne({"_id": _place(portfolio_id, each)}, fields, upsert=True) for each in contact_ids]
        await self._mongo.collection(USERS).bulk_write(updates, ordered=False, session=session)
        # Counted anew, `used` may be what it was: the turn makes it a change, that whoever overlaps runs into.
        turn = {"$set": {"used": used}, "$inc": {"turns": 1}}
        await self._mongo.collection(TURNS).update_one({"_id": portfolio_id}, turn, upsert=True, session=session)


def _place(portfolio_id: str, contact_id: str) -> str:
    return f"{portfolio_id}:{contact_id}"
