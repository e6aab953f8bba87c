"""Conversations as they follow from the messages: one per contact and number, by their last message.

They have no document of their own (decision 2): the list is a walk over a tenant's messages, newest first, that takes
each conversation where it comes up first.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo import DESCENDING

from libs.ledger.reader import MOST_SCAN
from libs.ledger.record import MESSAGES
from libs.mongo.client import Mongo, outages

STEP = 1_000  # messages a step: one round trip; a page of quiet conversations needs one
SHOWN = {
    "conversation_id": 1,
    "contact_id": 1,
    "phone_number_id": 1,
    "direction": 1,
    "created_at": 1,
    "at": 1,
    "recipient": 1,
}

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ends:
    """The newest message of a conversation each way."""

    inbound: Document | None
    outbound: Document | None


class ConversationReader:
    """Finds conversations of one tenant. All raise MongoUnavailable."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def last(self, tenant: str, conversation_id: str) -> Document | None:
        """Return the newest message of a conversation, or None where there is no such conversation."""
        return await self._newest({"tenant": tenant, "conversation_id": conversation_id})

    async def ends(self, tenant: str, conversation_ids: Sequence[str]) -> list[Ends]:
        """Return the ends of conversations that are there."""
        ways = [
            {"tenant": tenant, "conversation_id": conversation_id, "direction": way}
            for conversation_id in conversation_ids
            for way in ("inbound", "outbound")
        ]
        found = await asyncio.gather(*map(self._newest, ways))
        return [Ends(found[place], found[place + 1]) for place in range(0, len(found), 2)]

    async def of(self, tenant: str, conversation_ids: Collection[str]) -> list[Document]:
        """Return the newest message of each of these conversations that is there, newest first."""
        asked = [{"tenant": tenant, "conversation_id": conversation_id} for conversation_id in conversation_ids]
        found = [row for row in await asyncio.gather(*map(self._newest, asked)) if row is not None]
        return sorted(found, key=lambda row: str(row["_id"]), reverse=True)

    async def is_any(self, tenant: str, conversation_ids: Sequence[str]) -> bool:
        """Tell whether there is any of these conversations: read from the index alone."""
        query = {"tenant": tenant, "conversation_id": {"$in": list(conversation_ids)}}
        with outages():
            return await self._mongo.collection(MESSAGES).find_one(query, {"_id": 1}, hint="thread") is not None

    async def people(self, tenant: str, numbers: Iterable[str], most: int) -> list[str]:
        """Return the ids of up to `most` contacts that have a conversation with one of these numbers.

        It reads all messages of these numbers: raises TookTooLong where they are too many.
        """
        match = {"tenant": tenant, "phone_number_id": {"$in": sorted(numbers)}}
        steps: list[Document] = [{"$match": match}, {"$group": {"_id": "$contact_id"}}, {"$limit": most}]
        with outages():
            rows = await self._mongo.collection(MESSAGES).aggregate(steps, maxTimeMS=MOST_SCAN).to_list(None)
        return [row["_id"] for row in rows]

    async def walk(
        self, tenant: str, numbers: Sequence[str], after: str | None, since: str | None
    ) -> AsyncIterator[list[Document]]:
        """Yield the newest messages of conversations, newest first and some at a time.

        Begins below the message id `after`, which stands for the conversation that it is the newest of; looks for
        nothing below the message id `since`.
        """
        seen: list[str] = []
        bounds = {name: bound for name, bound in (("$lt", after), ("$gte", since)) if bound is not None}
        while True:
            query: Document = {"tenant": tenant, "phone_number_id": {"$in": list(numbers)}}
            query |= ({"_id": bounds} if bounds else {}) | ({"conversation_id": {"$nin": seen}} if seen else {})
            rows = await self._rows(query, STEP)
            fresh: dict[str, Document] = {}
            for row in rows:
                fresh.setdefault(row["conversation_id"], row)
            seen += fresh
            shown = await self._active_since(tenant, list(fresh), after) if after is not None else set()
            yield [row for name, row in fresh.items() if name not in shown]
            if len(rows) < STEP:
                return
            bounds["$lt"] = rows[-1]["_id"]

    async def _active_since(self, tenant: str, conversation_ids: Sequence[str], message_id: str) -> set[str]:
        """Return which of these conversations have this message or a newer one: read from the index alone."""
        query = {"tenant": tenant, "conversation_id": {"$in": conversation_ids}, "_id": {"$gte": message_id}}
        with outages():
            return set(await self._mongo.collection(MESSAGES).distinct("conversation_id", query))

    async def _newest(self, query: Document) -> Document | None:
        rows = await self._rows(query, 1)
        return rows[0] if rows else None

    async def _rows(self, query: Document, most: int) -> list[Document]:
        with outages():
            cursor = self._mongo.collection(MESSAGES).find(query, SHOWN).sort("_id", DESCENDING).limit(most)
            rows: list[Document] = await cursor.max_time_ms(MOST_SCAN).to_list(None)
        return rows
