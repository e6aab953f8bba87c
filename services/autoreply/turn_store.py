"""Turns: what people wrote that somebody has to think about, one document per conversation until it is answered.

A turn is due when a person has been silent for a while; whoever thinks about it holds a lease, and what is written
meanwhile is for the next turn.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, IndexModel, ReturnDocument

from libs.mongo.client import Mongo, outages

TURNS = "bot_turns"
INDEXES = {TURNS: [IndexModel([("due_at", ASCENDING)], name="due")]}
LONGEST_BURST = 5  # times the silence that is waited for: who goes on and on is answered all the same

Document = dict[str, Any]


class TurnStore:
    """All raise MongoUnavailable."""

    def __init__(self, mongo: Mongo, owner: str, lease: timedelta) -> None:
        self._mongo = mongo
        self._owner = owner
        self._lease = lease

    async def add(self, turn: Document, message_id: str, now: datetime, wait: timedelta) -> None:
        """Put a message into its conversation's turn (`_id`), once, and wait for more."""
        known = {"$ifNull": ["$messages", []]}
        messages = {"$cond": [{"$in": [message_id, known]}, known, {"$concatArrays": [known, [message_id]]}]}
        literal = {name: {"$literal": value} for name, value in turn.items() if name != "_id"}
        longest = int(LONGEST_BURST * wait.total_seconds() * 1000)
        steps = [
            {"$set": literal | {"messages": messages, "first_at": {"$ifNull": ["$first_at", now]}}},
            {"$set": {"due_at": {"$min": [now + wait, {"$add": ["$first_at", longest]}]}}},
        ]
        with outages():
            await self._mongo.collection(TURNS).update_one({"_id": turn["_id"]}, steps, upsert=True)

    async def claim(
        self, now: datetime, busy: Collection[str], busy_tenants: Collection[str] = ()
    ) -> Document | None:  # fmt: skip
        """Take the turn that is due the longest, of bots and tenants that are not busy; -> None where there is none."""
        free = [{"leased_until": {"$exists": False}}, {"leased_until": {"$lt": now}}]
        query: Document = {
            "due_at": {"$lte": now}, "$or": free,
            "bot_id": {"$nin": list(busy)}, "tenant": {"$nin": list(busy_tenants)},
        }  # fmt: skip
        with outages():
            row: Document | None = await self._mongo.collection(TURNS).find_one_and_update(
                query, {"$set": {"leased_until": now + self._lease, "owner": self._owner}},
                sort=[("due_at", ASCENDING)], return_document=ReturnDocument.AFTER,
            )  # fmt: skip
        return row

    async def renew(self, conversation_ids: Collection[str], now: datetime) -> None:
        """Hold turns for longer."""
        query = {"_id": {"$in": list(conversation_ids)}, "owner": self._owner}
        with outages():
            await self._mongo.collection(TURNS).update_many(query, {"$set": {"leased_until": now + self._lease}})

    async def end(self, turn: Document, said: Sequence[Document], now: datetime) -> None:
        """Take out what was answered. What came meanwhile is due at once, and told what was said before it."""
        left = {"$filter": {"input": "$messages", "cond": {"$not": [{"$in": ["$$this", turn["messages"]]}]}}}
        steps: list[Document] = [
            {"$set": {"messages": left, "first_at": now, "due_at": now, "said": {"$literal": list(said)}}},
            {"$unset": ["leased_until", "owner"]},
        ]
        table = self._mongo.collection(TURNS)
        with outages():
            await table.update_one({"_id": turn["_id"]}, steps)
            await table.delete_one({"_id": turn["_id"], "messages": []})

    async def put_off(self, turn: Document, until: datetime) -> None:
        """Let a turn go that could not be taken."""
        with outages():
            await self._mongo.collection(TURNS).update_one(
                {"_id": turn["_id"], "owner": self._owner},
                {"$set": {"due_at": until}, "$unset": {"leased_until": "", "owner": ""}},
            )  # fmt: skip

    async def forget(self, conversation_ids: Sequence[str]) -> None:
        """Drop the turns of conversations with people who are forgotten."""
        with outages():
            await self._mongo.collection(TURNS).delete_many({"_id": {"$in": list(conversation_ids)}})
