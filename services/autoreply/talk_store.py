"""What bots remember: a decision per inbound message, and per conversation who answers and how often a bot did.

A decision is inserted once, before its answers are asked for, and holds them until they are: whoever reads the message
again asks for the very same.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from libs.ledger.talks import DECISIONS, TALKS
from libs.mongo.client import Mongo, outages

REMEMBERED = 30  # times of a bot's latest answers in a conversation

Document = dict[str, Any]


def indexes(kept: timedelta) -> dict[str, list[IndexModel]]:
    """Return the indexes; decisions go after a time."""
    return {
        DECISIONS: [
            IndexModel([("at", ASCENDING)], name="forget", expireAfterSeconds=int(kept.total_seconds())),
            IndexModel([("tenant", ASCENDING), ("bot_id", ASCENDING), ("_id", DESCENDING)], name="bot"),
        ],
        TALKS: [IndexModel([("tenant", ASCENDING), ("handed_over_at", DESCENDING)], name="handed_over")],
    }


class TalkStore:
    """All raise MongoUnavailable."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def decision(self, message_id: str) -> Document | None:
        """Return what was decided of an inbound message."""
        with outages():
            row: Document | None = await self._mongo.collection(DECISIONS).find_one({"_id": message_id})
        return row

    async def decide(self, decision: Document) -> Document:
        """Keep a decision unless there is one of the message; -> the one that stands."""
        try:
            with outages():
                await self._mongo.collection(DECISIONS).insert_one(decision)
        except DuplicateKeyError:
            return await self.decision(decision["_id"]) or decision
        return decision

    async def asked(self, message_id: str) -> None:
        """Note that a decision's answers were asked for; what they say is in the messages from now on.

        Does not wait for the journal: where this is lost they are asked for once more, as the same messages.
        """
        await self._mongo.hasty(DECISIONS).update_one({"_id": message_id}, {"$unset": {"commands": ""}})

    async def page(self, tenant: str, bot_id: str, limit: int, after: str | None) -> list[Document]:
        """Return a bot's decisions, newest first."""
        query: Document = {"tenant": tenant, "bot_id": bot_id} | ({"_id": {"$lt": after}} if after else {})
        with outages():
            cursor = self._mongo.collection(DECISIONS).find(query, {"commands": 0}).sort("_id", DESCENDING)
            rows: list[Document] = await cursor.limit(limit).to_list(None)
        return rows

    async def talk(self, conversation_id: str) -> Document:
        """Return what is remembered of a conversation; nothing where it is new."""
        with outages():
            row: Document | None = await self._mongo.collection(TALKS).find_one({"_id": conversation_id})
        return row or {}

    async def answered(self, tenant: str, conversation_id: str, at: datetime) -> None:
        """Note that a bot answered, for whoever looks whether two of them talk to one another."""
        with outages():
            await self._mongo.hasty(TALKS).update_one(
                {"_id": conversation_id},
                {
                    "$push": {"answered_at": {"$each": [at], "$slice": -REMEMBERED}},
                    "$setOnInsert": {"tenant": tenant},
                },
                upsert=True,
            )  # fmt: skip

    async def is_answer(self, inbound_id: str, message_id: str) -> bool:
        """Tell whether a message is a bot's answer to an inbound one."""
        query = {"_id": inbound_id, "answers": message_id}
        with outages():
            return await self._mongo.collection(DECISIONS).find_one(query, {"_id": 1}) is not None

    async def silence(self, tenant: str, conversation_id: str, until: datetime) -> None:
        """Keep the bot silent until a time: a person is at it."""
        with outages():
            await self._mongo.collection(TALKS).update_one(
                {"_id": conversation_id}, {"$max": {"silent_until": until}, "$setOnInsert": {"tenant": tenant}},
                upsert=True,
            )  # fmt: skip

    async def hand_over(self, tenant: str, conversation_id: str, at: datetime, by: str) -> None:
        """Let a person answer from now on."""
        with outages():
            await self._mongo.collection(TALKS).update_one(
                {"_id": conversation_id}, {"$set": {"tenant": tenant, "handed_over_at": at, "handed_over_by": by}},
                upsert=True,
            )  # fmt: skip

    async def hand_back(self, tenant: str, conversation_id: str) -> None:
        """Let the bot answer again."""
        with outages():
            await self._mongo.collection(TALKS).update_one(
                {"_id": conversation_id, "tenant": tenant},
                {
                    "$unset": {"handed_over_at": "", "handed_over_by": "", "silent_until": ""},
                    "$set": {"answered_at": []},
                },
            )

    async def forget(self, message_ids: Sequence[str]) -> None:
        """Take out what decisions on messages of a forgotten person say."""
        with outages():
            await self._mongo.collection(DECISIONS).update_many(
                {"_id": {"$in": list(message_ids)}}, {"$unset": {"commands": ""}}
            )
