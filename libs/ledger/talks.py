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

    async def decisions(self, tenant: str, message_ids: Collection[str]) -> dict[str, Document]:
        """Return what bots decided on inbound messages, of those that one was asked about."""
        if not message_ids:
            return {}
        query, hidden = {"_id": {"$in": list(message_ids)}, "tenant": tenant}, {"commands": 0, "dialogue": 0}
        with outages():
            rows = await self._mongo.collection(DECISIONS).find(query, hidden).to_list(None)
        return {row["_id"]: row for row in rows}

    async def handed_over(self, tenant: str, conversation_ids: Collection[str]) -> dict[str, datetime]:
        """Return since when a person answers, of those of these conversations in which no bot does."""
        query = {"_id": {"$in": list(conversation_ids)}, "tenant": tenant, "handed_over_at": {"$exists": True}}
        with outages():
            rows = await self._mongo.collection(TALKS).find(query, {"handed_over_at": 1}).to_list(None)
        return {row["_id"]: row["handed_over_at"] for row in rows}
