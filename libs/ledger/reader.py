"""Reading message records: one by id, or a page newest first. Every query carries the tenant."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING

from libs.directory.reach import EVERYTHING, Reach
from libs.events.messages import MessageStatus
from libs.ledger.record import MESSAGES
from libs.ledger.states import filter_for
from libs.mongo.client import Mongo, outages

# A list that filters on what no index holds (a status) gives up after this long rather than scan for ever.
MOST_SCAN = 5_000  # milliseconds


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """What a list is narrowed to; None leaves a side open. Times are of creation, `since` included, `until` not."""

    numbers: Sequence[str]
    direction: str | None = None
    status: MessageStatus | None = None
    conversations: Sequence[str] | None = None
    campaign_id: str | None = None
    client_ref: str | None = None
    type: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    reach: Reach = EVERYTHING


class MessageReader:
    """Finds messages of one tenant."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def get(self, tenant: str, message_id: str) -> dict[str, Any] | None:
        """Return the record, inbound or outbound, or None."""
        with outages():
            row: dict[str, Any] | None = await self._mongo.collection(MESSAGES).find_one(
                {"_id": message_id, "tenant": tenant}
            )
        return row

    async def of_ids(self, tenant: str, message_ids: Collection[str]) -> list[dict[str, Any]]:
        """Return the records with these ids that are there."""
        query = {"_id": {"$in": list(message_ids)}, "tenant": tenant}
        with outages():
            rows: list[dict[str, Any]] = await self._mongo.collection(MESSAGES).find(query).to_list(None)
        return rows

    async def first_inbound(self, tenant: str, conversation_id: str) -> str | None:
        """Return the id of the first message that a person wrote in a conversation."""
        query = {"tenant": tenant, "conversation_id": conversation_id, "direction": "inbound"}
        with outages():
            row = await self._mongo.collection(MESSAGES).find_one(query, {"_id": 1}, sort=[("_id", ASCENDING)])
        return str(row["_id"]) if row else None

    async def with_media(self, tenant: str, media_id: str) -> dict[str, Any] | None:
        """Return a message that came to the tenant with this file, or None."""
        with outages():
            row: dict[str, Any] | None = await self._mongo.collection(MESSAGES).find_one(
                {"tenant": tenant, "media_id": media_id}
            )
        return row

    async def recipients(self, ids: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """Return who outbound messages go to, by (tenant, message id); what is not there is not in the answer."""
        query = {
            "_id": {"$in": [message_id for _, message_id in ids]},
            "tenant": {"$in": list({one for one, _ in ids})},
        }
        with outages():
            rows = await self._mongo.collection(MESSAGES).find(query, {"tenant": 1, "recipient": 1}).to_list(None)
        found = {(row["tenant"], row["_id"]): row["recipient"] for row in rows if "recipient" in row}
        return {key: recipient for key, recipient in found.items() if key in ids}

    async def taken_back(self, message_ids: Collection[str]) -> set[str]:
        """Return which of these messages their campaign took back: it did not end them, it will send them anew."""
        query = {"_id": {"$in": list(message_ids)}, "taken_back": True}
        with outages():
            rows = await self._mongo.collection(MESSAGES).find(query, {"_id": 1}).to_list(None)
        return {row["_id"] for row in rows}

    async def existing(self, tenant: str, message_ids: Collection[str]) -> set[str]:
        """Return which of these messages are in the ledger."""
        query = {"_id": {"$in": list(message_ids)}, "tenant": tenant}
        with outages():
            rows = await self._mongo.collection(MESSAGES).find(query, {"_id": 1}).to_list(None)
        return {row["_id"] for row in rows}

    async def page(self, tenant: str, wanted: MessageFilter, limit: int, after: str | None) -> list[dict[str, Any]]:
        """Return up to `limit` records, newest first, beginning below the id `after`."""
        query: dict[str, Any] = {"tenant": tenant}
        if wanted.conversations is not None:
            query["conversation_id"] = {"$in": list(wanted.conversations)}
        else:
            query["phone_number_id"] = {"$in": list(wanted.numbers)}
        if after is not None:
            query["_id"] = {"$lt": after}
        for name in ("direction", "campaign_id", "client_ref", "type"):
            if (value := getattr(wanted, name)) is not None:
                query[name] = value
        if wanted.status is not None:
            query |= {"direction": "outbound"} | filter_for(wanted.status)
        created = {"$gte": wanted.since, "$lt": wanted.until}
        if bounds := {name: moment for name, moment in created.items() if moment is not None}:
            query["created_at"] = bounds
        with outages():
            narrowed = wanted.reach.by_number(query)
            cursor = self._mongo.collection(MESSAGES).find(narrowed).sort("_id", DESCENDING).limit(limit)
            rows: list[dict[str, Any]] = await cursor.max_time_ms(MOST_SCAN).to_list(None)
        return rows

    async def waiting(self, tenant: str, most: int) -> int:
        """Count the open messages of a tenant, counting no further than `most`."""
        query = {"open": True, "tenant": tenant}
        with outages():
            return await self._mongo.collection(MESSAGES).count_documents(query, limit=most, hint="open")
