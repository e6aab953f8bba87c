"""The history: one row per message and status, one per inbound message. A row is added in the unit of work that counts
it, so that what is there is counted, and what is counted is there.

Rows are not changed, but for what was missing in them (a price class that Meta said only when it said the status again;
whether an inbound message replies to something), in such a unit too.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, IndexModel, UpdateOne

from libs.mongo.client import Mongo, Session, outages
from services.analytics.readings import REPLY_OPEN
from services.analytics.stages import COUNTED

HISTORY, INBOUND = "analytics_history", "analytics_inbound"
FACTS = ("pricing", "billing", "error")  # of a status: what may be said only when it is said once more
NO_REPLY = "none"  # in place of the id of the message that an inbound one replies to
ACCEPTED = "accepted"  # every message that Meta took has a row with this status

INDEXES = {
    HISTORY: [
        # What an inbound message may be a reply to: the message it names, or the last one of its conversation.
        IndexModel(
            [("tenant", ASCENDING), ("wamid", ASCENDING)], name="by_wamid",
            partialFilterExpression={"status": ACCEPTED},
        ),
        IndexModel(
            [("tenant", ASCENDING), ("conversation_id", ASCENDING), ("at", ASCENDING)], name="by_conversation",
            partialFilterExpression={"status": ACCEPTED},
        ),
        IndexModel([("stored_at", ASCENDING)], name="age"),
    ],
    INBOUND: [
        IndexModel([("stored_at", ASCENDING)], name="open", partialFilterExpression={"reply": REPLY_OPEN}),
        IndexModel([("stored_at", ASCENDING)], name="age"),
    ],
}  # fmt: skip

Document = dict[str, Any]


class HistoryStore:
    """Adds and finds rows. All raise MongoUnavailable."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def add(
        self, session: Session, statuses: Sequence[Document], inbound: Sequence[Document], completed: Sequence[Document]
    ) -> None:
        """Within a unit of work: insert rows that are not there, and put into others what they lacked."""
        for name, rows in ((HISTORY, statuses), (INBOUND, inbound)):
            if rows:
                await self._mongo.collection(name).insert_many(rows, ordered=False, session=session)
        writes = [
            UpdateOne({"_id": row["_id"]}, {"$set": {name: row[name] for name in FACTS if name in row}})
            for row in completed
        ]
        if writes:
            await self._mongo.collection(HISTORY).bulk_write(writes, ordered=False, session=session)

    async def of_messages(self, session: Session, message_ids: Sequence[str]) -> dict[str, list[Document]]:
        """Within a unit of work: return all rows of messages, by message."""
        ids = _row_ids(message_ids)
        found: dict[str, list[Document]] = {message_id: [] for message_id in message_ids}
        if ids:
            for row in await self._mongo.collection(HISTORY).find({"_id": {"$in": ids}}, session=session).to_list(None):
                found[row["message_id"]].append(row)
        return found

    async def inbound(self, session: Session, ids: Sequence[str]) -> list[Document]:
        """Within a unit of work: return inbound rows."""
        if not ids:
            return []
        found = self._mongo.collection(INBOUND).find({"_id": {"$in": list(ids)}}, session=session)
        rows: list[Document] = await found.to_list(None)
        return rows

    async def open_replies(self, before: datetime, within: timedelta, limit: int) -> list[Document]:
        """Return inbound messages stored before a time of which nobody said yet whether they reply.

        Each has as `last` the row of its conversation's last message before it, within a time of it: one or none.
        """
        stages: list[Document] = [
            {"$match": {"reply": REPLY_OPEN, "stored_at": {"$lt": before}}},
            {"$sort": {"stored_at": ASCENDING}},
            {"$limit": limit},
            _last_before(within),
        ]
        with outages():
            rows: list[Document] = await self._mongo.collection(INBOUND).aggregate(stages).to_list(None)
        return rows

    async def named(self, tenant: str, wamid: str) -> Document | None:
        """Return the row of the message that Meta knows by this id."""
        with outages():
            row: Document | None = await self._mongo.collection(HISTORY).find_one(
                {"tenant": tenant, "wamid": wamid, "status": ACCEPTED}
            )
        return row

    async def next_messages(self, session: Session, after: str, limit: int) -> list[str]:
        """Within a unit of work: return ids of messages of which there are rows, in their order."""
        found: dict[str, None] = {}
        while len(found) < limit:
            last = next(reversed(found), after)
            beyond = f"{last};" if last else ""  # the character after the colon: past all rows of that message
            rows = self._mongo.collection(HISTORY).find({"_id": {"$gt": beyond}}, {"message_id": 1}, session=session)
            ids = [row["message_id"] for row in await rows.sort("_id", ASCENDING).limit(limit).to_list(None)]
            if not ids:
                break
            found |= dict.fromkeys(ids)
        return list(found)[:limit]

    async def next_inbound(self, session: Session, after: str, limit: int) -> list[str]:
        """Within a unit of work: return ids of inbound messages, in their order."""
        rows = self._mongo.collection(INBOUND).find({"_id": {"$gt": after}}, {"_id": 1}, session=session)
        return [row["_id"] for row in await rows.sort("_id", ASCENDING).limit(limit).to_list(None)]

    async def forget(self, before: datetime) -> int:
        """Delete rows that were stored before a time; -> how many. Sums and cost lines stay."""
        gone = 0
        for name in (HISTORY, INBOUND):
            with outages():
                gone += (await self._mongo.collection(name).delete_many({"stored_at": {"$lt": before}})).deleted_count
        return gone

    async def forget_who(self, message_ids: Sequence[str]) -> None:
        """Take Meta's ids, which hold people's numbers, out of the rows of messages."""
        ids = _row_ids(message_ids)
        with outages():
            await self._mongo.collection(HISTORY).update_many({"_id": {"$in": ids}}, {"$unset": {"wamid": ""}})
            await self._mongo.collection(INBOUND).update_many(
                {"_id": {"$in": list(message_ids)}}, {"$unset": {"context_wamid": ""}}
            )

    async def settle(self, session: Session, replies: Mapping[str, str]) -> frozenset[str]:
        """Within a unit of work: say which messages of ours inbound ones reply to; -> those that were still open."""
        table = self._mongo.collection(INBOUND)
        query = {"_id": {"$in": list(replies)}, "reply": REPLY_OPEN}
        found = frozenset([row["_id"] async for row in table.find(query, {"_id": 1}, session=session)])
        writes = [UpdateOne({"_id": it}, {"$set": {"reply": replies[it]}}) for it in found]
        if writes:
            await table.bulk_write(writes, ordered=False, session=session)
        return found

    async def settle_as_none(self, inbound_ids: Sequence[str]) -> None:
        """Say of inbound messages that are open that they reply to nothing."""
        if inbound_ids:
            query = {"_id": {"$in": list(inbound_ids)}, "reply": REPLY_OPEN}
            with outages():
                await self._mongo.collection(INBOUND).update_many(query, {"$set": {"reply": NO_REPLY}})


def _last_before(within: timedelta) -> Document:
    """Return the stage that looks up a conversation's last message: one question for all, not one each.

    A message that was accepted by Meta's own word was so "at" a whole second, which may be earlier than it was made:
    what was made after the person wrote is not what they answer.
    """
    earliest = {"$subtract": ["$written_by", int(within.total_seconds() * 1000)]}
    matches = [
        {"$eq": ["$tenant", "$$tenant"]}, {"$eq": ["$conversation_id", "$$conversation_id"]},
        {"$gte": ["$at", "$$earliest"]}, {"$lt": ["$at", "$$latest"]}, {"$lt": ["$created_at", "$$latest"]},
    ]  # fmt: skip
    return {"$lookup": {
        "from": HISTORY,
        "let": {
            "tenant": "$tenant", "conversation_id": "$conversation_id", "earliest": earliest, "latest": "$written_by",
        },
        "pipeline": [
            {"$match": {"status": ACCEPTED, "$expr": {"$and": matches}}}, {"$sort": {"at": -1}}, {"$limit": 1},
        ],
        "as": "last",
    }}  # fmt: skip


def _row_ids(message_ids: Sequence[str]) -> list[str]:
    return [f"{message_id}:{status}" for message_id in message_ids for status in COUNTED]
