"""Reading contacts for people: one by any id it ever had, or a page newest first. Every query carries the tenant."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pymongo import DESCENDING

from libs.ledger.contacts import CONTACTS, alias
from libs.mongo.client import Mongo, outages

MERGES = 10  # merges that are followed: each one is two people who turned out to be one

Document = dict[str, Any]


class ContactBook:
    """Finds contacts of one tenant. All raise MongoUnavailable."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def get(self, tenant: str, contact_id: str) -> Document | None:
        """Return the contact with this id, or the one that it was merged into, or None."""
        for _ in range(MERGES):
            with outages():
                row: Document | None = await self._mongo.collection(CONTACTS).find_one(
                    {"_id": contact_id, "tenant": tenant}
                )
            if row is None or "merged_into" not in row:
                return row
            contact_id = row["merged_into"]
        return None

    async def many(self, tenant: str, contact_ids: Iterable[str]) -> dict[str, Document]:
        """Return the contacts of these ids, by the id that was asked for; who is not there is not in the answer."""
        wanted = {contact_id: contact_id for contact_id in contact_ids}
        rows: dict[str, Document] = {}
        for _ in range(MERGES):
            missing = set(wanted.values()) - rows.keys()
            rows |= {row["_id"]: row for row in await self._find({"tenant": tenant, "_id": {"$in": list(missing)}})}
            gone = {at: row["merged_into"] for at, row in rows.items() if "merged_into" in row}
            moved = {asked: gone[at] for asked, at in wanted.items() if at in gone}
            if not moved:
                break
            wanted |= moved
        return {asked: rows[at] for asked, at in wanted.items() if at in rows}

    async def named(self, tenant: str, name: str) -> Document | None:
        """Return the contact known by a phone number (any of its forms) or business-scoped user id, or None."""
        rows = await self._find({"tenant": tenant, "aliases": alias(tenant, name)})
        return rows[0] if rows else None

    async def page(self, tenant: str, limit: int, after: Document | None) -> list[Document]:
        """Return up to `limit` contacts, newest first, after a contact."""
        return await self._newest("created_at", {"tenant": tenant}, limit, after)

    async def opted_out(self, tenant: str, covers: str | None, limit: int, after: Document | None) -> list[Document]:
        """Return up to `limit` contacts who are opted out (of what `covers` names), the latest opt-out first."""
        query = {"tenant": tenant, "opted_out": covers or {"$in": ["marketing", "all"]}}
        return await self._newest("opted_out_at", query, limit, after)

    async def _newest(self, by: str, query: Document, limit: int, after: Document | None) -> list[Document]:
        """Return who fits, newest first by a time and the id. Both conditions of existence are the indexes' own."""
        query = query | {"aliases": {"$exists": True}, by: {"$exists": True}}
        if after is not None:
            moment: datetime = after[by]
            query[by] = {"$exists": True, "$lte": moment}
            query["$or"] = [{by: {"$lt": moment}}, {"_id": {"$lt": after["_id"]}}]
        with outages():
            cursor = self._mongo.collection(CONTACTS).find(query).sort([(by, DESCENDING), ("_id", DESCENDING)])
            rows: list[Document] = await cursor.limit(limit).to_list(None)
        return rows

    async def _find(self, query: Document) -> list[Document]:
        with outages():
            rows: list[Document] = await self._mongo.collection(CONTACTS).find(query).to_list(None)
        return rows
