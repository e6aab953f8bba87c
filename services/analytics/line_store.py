"""Cost lines and billing conversations in MongoDB, written in the unit of work that counts them."""

from collections.abc import Mapping, Sequence
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel, ReplaceOne, UpdateOne

from libs.mongo.client import Mongo, Session, outages
from services.analytics.page_store import newest
from services.analytics.sums_store import Whose

LINES, BILLING = "cost_lines", "billing_conversations"

INDEXES = {
    LINES: [
        IndexModel([("tenant", ASCENDING), ("at", DESCENDING), ("_id", DESCENDING)], name="newest"),
        IndexModel([("message_id", ASCENDING)], name="of_message"),
    ],
    BILLING: [IndexModel([("tenant", ASCENDING), ("at", DESCENDING), ("_id", DESCENDING)], name="newest")],
}

Document = dict[str, Any]


class LineStore:
    """All raise MongoUnavailable."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def standing(self, session: Session, message_ids: Sequence[str]) -> dict[str, Document]:
        """Within a unit of work: return the line of each message that no other replaces."""
        if not message_ids:
            return {}
        query = {"message_id": {"$in": list(message_ids)}, "replaced_by": None}
        rows = await self._mongo.collection(LINES).find(query, session=session).to_list(None)
        return {row["message_id"]: row for row in rows}

    async def book(self, session: Session, lines: Sequence[Document]) -> None:
        """Within a unit of work: add lines; those that they replace name them."""
        if not lines:
            return
        table = self._mongo.collection(LINES)
        replaced = [
            UpdateOne({"_id": line["replaces"]}, {"$set": {"replaced_by": line["_id"]}})
            for line in lines if line["replaces"] is not None
        ]  # fmt: skip
        if replaced:
            await table.bulk_write(replaced, ordered=False, session=session)
        await table.insert_many(list(lines), session=session)

    async def forget_who(self, message_ids: Sequence[str]) -> None:
        """Take Meta's ids, which hold people's numbers, out of the lines of messages."""
        with outages():
            await self._mongo.collection(LINES).update_many(
                {"message_id": {"$in": list(message_ids)}}, {"$unset": {"wamid": ""}}
            )

    async def conversations(self, session: Session, ids: Sequence[str]) -> dict[str, Document]:
        """Within a unit of work: return billing conversations that are known."""
        if not ids:
            return {}
        rows = self._mongo.collection(BILLING).find({"_id": {"$in": list(ids)}}, session=session)
        return {row["_id"]: row for row in await rows.to_list(None)}

    async def keep(self, session: Session, conversations: Sequence[Document]) -> None:
        """Within a unit of work: write billing conversations as they are now."""
        writes = [ReplaceOne({"_id": row["_id"]}, row, upsert=True) for row in conversations]
        if writes:
            await self._mongo.collection(BILLING).bulk_write(writes, ordered=False, session=session)

    async def page(
        self, table: str, whose: Whose, query: Mapping[str, Any], limit: int, after: str | None
    ) -> list[Document]:
        """Return up to `limit` lines or billing conversations, newest first. Raises Invalid."""
        return await newest(self._mongo, table, "at", whose.tenant, query, limit, after, whose.reach.by_number)
