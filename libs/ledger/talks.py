"""What bots decided, and who answers in a conversation: written by autoreply, read by whoever shows messages."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from libs.mongo.client import Mongo, outages

DECISIONS = "bot_decisions"  # one per inbound message of a number with a bot, under the message's id
TALKS = "bot_talks"  # one per conversation

Document = dict[str, Any]


class TalkReader:
    """Reads only. All raise MongoUnavailable."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def decision(self, tenant: str, message_id: str) -> Document | None:
        """Return what a bot decided on an inbound message."""
        with outages():
            row: Document | None = await self._mongo.collection(DECISIONS).find_one(
                {"_id": message_id, "tenant": tenant}, {"commands": 0}
            )
        return row

    async def handed_over(self, tenant: str, conversation_ids: Collection[str]) -> dict[str, datetime]:
        """Return since when a person answers, of those of these conversations in which no bot does."""
        query = {"_id": {"$in": list(conversation_ids)}, "tenant": tenant, "handed_over_at": {"$exists": True}}
        with outages():
            rows = await self._mongo.collection(TALKS).find(query, {"handed_over_at": 1}).to_list(None)
        return {row["_id"]: row["handed_over_at"] for row in rows}
