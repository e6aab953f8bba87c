"""Bots in MongoDB: one document each, with its rules."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument
from pymongo.errors import DuplicateKeyError

from libs.directory.directory import BOTS
from libs.directory.sealed import Sealed
from libs.mongo.client import Mongo, outages

MOST = 100  # bots of a tenant
INDEXES = {
    BOTS: [
        IndexModel([("tenant", ASCENDING), ("_id", DESCENDING)], name="tenant"),
        IndexModel([("tenant", ASCENDING), ("slot", ASCENDING)], name="slot", unique=True),
    ]
}

Document = dict[str, Any]


def key_field(bot: Mapping[str, Any]) -> str:
    """Return the name under which the key of a bot's model is encrypted."""
    return f"bot_key:{bot['_id']}"


def signing_field(bot: Mapping[str, Any]) -> str:
    """Return the name under which a bot's signing secrets are encrypted."""
    return f"bot_secret:{bot['_id']}"


SEALED = (Sealed(BOTS, "key.sealed", key_field), Sealed(BOTS, "secrets.sealed", signing_field, many=True))


class BotStore:
    """Every query carries the tenant. All raise MongoUnavailable."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def add(self, bot: Document) -> bool:
        """Insert a bot; -> False where the tenant has `MOST` already (a slot each, so that races count)."""
        bots = self._mongo.collection(BOTS)
        with outages():
            taken = set(await bots.distinct("slot", {"tenant": bot["tenant"]}))
            for slot in range(MOST):
                if slot not in taken:
                    try:
                        await bots.insert_one(bot | {"slot": slot})
                    except DuplicateKeyError:
                        continue
                    return True
        return False

    async def get(self, tenant: str, bot_id: str) -> Document | None:
        """Return a bot."""
        with outages():
            row: Document | None = await self._mongo.collection(BOTS).find_one({"_id": bot_id, "tenant": tenant})
        return row

    async def reached(self, tenant: str, bot_id: str, among: Document) -> Document | None:
        """Return a bot, if it is one of those that a condition names."""
        query = {"$and": [{"_id": bot_id, "tenant": tenant}, among]}
        with outages():
            row: Document | None = await self._mongo.collection(BOTS).find_one(query)
        return row

    async def page(self, tenant: str, limit: int, after: str | None, among: Document) -> list[Document]:
        """Return a tenant's bots, those that a condition names, newest first."""
        query: Document = {"tenant": tenant} | ({"_id": {"$lt": after}} if after else {})
        with outages():
            cursor = self._mongo.collection(BOTS).find({"$and": [query, among]}).sort("_id", DESCENDING).limit(limit)
            rows: list[Document] = await cursor.to_list(None)
        return rows

    async def change(self, tenant: str, bot_id: str, fields: Mapping[str, Any], now: datetime) -> Document | None:
        """Set fields; -> the bot after it, or None."""
        with outages():
            row: Document | None = await self._mongo.collection(BOTS).find_one_and_update(
                {"_id": bot_id, "tenant": tenant}, {"$set": {**fields, "updated_at": now}},
                return_document=ReturnDocument.AFTER,
            )  # fmt: skip
        return row

    async def rotate(
        self, tenant: str, bot_id: str, old: list[Document], new: list[Document], now: datetime
    ) -> Document | None:  # fmt: skip
        """Replace the secrets if they are still the `old` ones; -> the bot, or None."""
        with outages():
            row: Document | None = await self._mongo.collection(BOTS).find_one_and_update(
                {"_id": bot_id, "tenant": tenant, "secrets": old}, {"$set": {"secrets": new, "updated_at": now}},
                return_document=ReturnDocument.AFTER,
            )  # fmt: skip
        return row

    async def remove(self, tenant: str, bot_id: str) -> bool:
        """Delete a bot; -> whether there was one."""
        with outages():
            done = await self._mongo.collection(BOTS).delete_one({"_id": bot_id, "tenant": tenant})
        return bool(done.deleted_count)
