"""What bots spent on a day: reserved before a model is asked, settled after, so that no two pass a cap together.

Who dies in between leaves what was reserved: a cap is reached too early then, never too late.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from libs.mongo.client import Mongo, outages

SPENDING = "bot_spending"
KEPT = timedelta(days=400)
INDEXES = {SPENDING: [IndexModel([("at", ASCENDING)], name="forget", expireAfterSeconds=int(KEPT.total_seconds()))]}

Document = dict[str, Any]


class SpendingStore:
    """One document per bot and day of UTC: tokens, and money in millionths. All raise MongoUnavailable."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def reserve(
        self, bot: Mapping[str, Any], now: datetime, amounts: Mapping[str, int], caps: Mapping[str, int]
    ) -> bool:
        """Take amounts from what is left of the day's caps; -> whether there was enough of each."""
        room = {name: {"$not": {"$gt": cap - amounts[name]}} for name, cap in caps.items()}
        if any(amounts[name] > cap for name, cap in caps.items()):
            return False
        try:
            with outages():
                await self._mongo.collection(SPENDING).update_one(
                    {"_id": _place(bot, now)} | room,
                    {"$inc": dict(amounts), "$setOnInsert": {"tenant": bot["tenant"], "bot_id": bot["_id"], "at": now}},
                    upsert=True,
                )  # fmt: skip
        except DuplicateKeyError:  # the day is there, and has no room
            return False
        return True

    async def settle(self, bot: Mapping[str, Any], reserved_at: datetime, differences: Mapping[str, int]) -> None:
        """Say by how much an answer took more than was reserved, or less."""
        with outages():
            await self._mongo.collection(SPENDING).update_one(
                {"_id": _place(bot, reserved_at)}, {"$inc": dict(differences)}
            )

    async def spent(self, bot: Mapping[str, Any], now: datetime) -> Document:
        """Return what a bot spent today."""
        with outages():
            row = await self._mongo.collection(SPENDING).find_one({"_id": _place(bot, now)})
        return {name: (row or {}).get(name, 0) for name in ("tokens", "millionths")}


def _place(bot: Mapping[str, Any], now: datetime) -> str:
    return f"{bot['_id']}:{now:%Y-%m-%d}"
