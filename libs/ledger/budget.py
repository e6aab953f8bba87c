"""A portfolio's unique users of the rolling 24 hours: Meta limits how many people templates may newly reach.

Source: Meta's messaging limits, per business portfolio since October 2025; replies inside a window do not count.
"""

import asyncio
import random
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo import ASCENDING, IndexModel, UpdateOne
from pymongo.errors import DuplicateKeyError

from libs.mongo.client import Mongo, outages

USERS = "portfolio_users"
TURNS = "portfolio_turns"  # per portfolio the latest turn: its people, and how many are reached at most
IN_THE_WAY = 0.01  # seconds, at most, until who came second tries again
DAY = timedelta(hours=24)
COUNTED = DAY + timedelta(minutes=1)  # since somebody was reserved last: the message went a little later
COUNT_EVERY = timedelta(minutes=1)  # also far from the limit: who was written in beside us is known from then on
LONG_AGO = datetime.fromtimestamp(0, UTC)
NO_TURN: Mapping[str, Any] = {"turn": 0, "people": [], "at": LONG_AGO, "used": 0, "counted_at": LONG_AGO}
INDEXES = {
    USERS: [
        IndexModel([("at", ASCENDING)], name="forget", expireAfterSeconds=int(COUNTED.total_seconds())),
        IndexModel([("portfolio_id", ASCENDING), ("at", ASCENDING)], name="portfolio"),
    ]
}


class Budget:
    """Counts and reserves the people a portfolio reaches outside of a window."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def reserve(self, portfolio_id: str, contact_ids: Iterable[str], limit: int, now: datetime) -> set[str]:
        """Count these people, in their order, as reached now as far as the limit goes; -> who may be written to.

        Who was reached in the last 24 h takes no further place, and counts anew from now on. However many senders
        reserve at once, together they get no more than the limit, and one that dies holds up nobody: each takes its
        turn in the portfolio's one document, with the people it is for, and whoever comes next enters them where they
        are missing.
        """
        wanted = list(dict.fromkeys(contact_ids))
        with outages():
            while True:
                if (allowed := await self._try(portfolio_id, wanted, limit, now)) is not None:
                    return allowed
                await asyncio.sleep(random.uniform(0, IN_THE_WAY))

    async def _try(self, portfolio_id: str, wanted: Sequence[str], limit: int, now: datetime) -> set[str] | None:
        """Reserve; -> None where somebody else took the turn in between."""
        last = {**NO_TURN, **(await self._mongo.collection(TURNS).find_one({"_id": portfolio_id}) or {})}
        reached = await self._reached(portfolio_id, {*wanted, *last["people"]}, now)
        missing = set(last["people"]) - reached
        if missing and last["at"] > now - COUNTED:  # while they count: another's clock may be behind
            await self._enter(portfolio_id, missing, last["at"])
            reached |= missing if last["at"] > now - DAY else set()
        newly = [each for each in wanted if each not in reached]
        # `used` grows with each turn and is not lowered as people are forgotten: all are counted only near the limit
        # and now and then.
        used, counted_at = last["used"], last["counted_at"]
        if newly and (used + len(newly) > limit or counted_at <= now - COUNT_EVERY):
            used, counted_at = await self.used(portfolio_id, now, limit), now
        newly = newly[: max(limit - used, 0)]
        if newly:
            ours = {"people": newly, "at": now, "used": used + len(newly), "counted_at": counted_at}
            if not await self._take_turn(portfolio_id, {"turn": last["turn"] + 1} | ours):
                return None
        allowed = reached.intersection(wanted) | set(newly)
        await self._enter(portfolio_id, allowed, now)
        return allowed

    async def _take_turn(self, portfolio_id: str, turn: dict[str, Any]) -> bool:
        """Take a turn; -> False where it is taken."""
        before = {"_id": portfolio_id, "turn": turn["turn"] - 1}
        try:
            await self._mongo.collection(TURNS).update_one(before, {"$set": turn}, upsert=True)
        except DuplicateKeyError:  # the portfolio has a later one
            return False
        return True

    async def _reached(self, portfolio_id: str, contact_ids: Iterable[str], now: datetime) -> set[str]:
        ids = [_place(portfolio_id, contact_id) for contact_id in contact_ids]
        query = {"_id": {"$in": ids}, "at": {"$gt": now - DAY}}
        rows = await self._mongo.collection(USERS).find(query, {"_id": 1}).to_list(None)
        return {row["_id"].partition(":")[2] for row in rows}

    async def _enter(self, portfolio_id: str, contact_ids: Iterable[str], at: datetime) -> None:
        fields = {"$set": {"portfolio_id": portfolio_id}, "$max": {"at": at}}
        updates = [UpdateOne({"_id": _place(portfolio_id, each)}, fields, upsert=True) for each in contact_ids]
        if updates:
            await self._mongo.collection(USERS).bulk_write(updates, ordered=False)

    async def used(self, portfolio_id: str, now: datetime, most: int) -> int:
        """Count the people reached in the last day (and a minute), no further than `most`."""
        if most < 1:  # MongoDB takes no limit of 0
            return 0
        query = {"portfolio_id": portfolio_id, "at": {"$gt": now - COUNTED}}
        with outages():
            return await self._mongo.collection(USERS).count_documents(query, limit=most)

    async def next_free(self, portfolio_id: str, now: datetime) -> datetime:
        """Return when the person reached longest ago is no longer counted, and one more may be reached."""
        with outages():
            row = await self._mongo.collection(USERS).find_one(
                {"portfolio_id": portfolio_id, "at": {"$gt": now - COUNTED}}, sort=[("at", ASCENDING)]
            )
        return row["at"] + COUNTED if row else now


def _place(portfolio_id: str, contact_id: str) -> str:
    return f"{portfolio_id}:{contact_id}"
