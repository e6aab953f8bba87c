"""Tenants and API keys in MongoDB."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument

from libs.directory.directory import KEYS
from libs.mongo.client import Mongo, outages
from services.edge.api_keys import ApiKey

TENANTS = "tenants"
NEWEST = [("created_at", DESCENDING), ("_id", DESCENDING)]
INDEXES = {KEYS: [IndexModel([("tenant", ASCENDING), *NEWEST], name="newest")]}


class KeyStore:
    """Writes tenants and keys; a key's secret only as its hash."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def add_tenant(self, tenant_id: str, name: str, now: datetime) -> dict[str, Any]:
        """Store a tenant and return it."""
        document = {"_id": tenant_id, "name": name, "created_at": now}
        with outages():
            await self._mongo.collection(TENANTS).insert_one(document)
        return document

    async def tenants(self) -> list[dict[str, Any]]:
        """Return all tenants, oldest first."""
        with outages():
            rows: list[dict[str, Any]] = (
                await self._mongo.collection(TENANTS).find({}).sort("_id", ASCENDING).to_list(None)
            )
        return rows

    async def tenant_exists(self, tenant_id: str) -> bool:
        """Tell whether there is such a tenant."""
        with outages():
            return await self._mongo.collection(TENANTS).find_one({"_id": tenant_id}, {"_id": 1}) is not None

    async def add(self, key: ApiKey, tenant: str, facts: dict[str, Any]) -> dict[str, Any]:
        """Store a key and return its record."""
        document = facts | {
            "_id": key.key_id,
            "tenant": tenant,
            "mode": key.mode,
            "secret_hash": key.secret_hash,
            "last4": key.text[-4:],
            "revoked_at": None,
            "last_used_at": None,
        }
        with outages():
            await self._mongo.collection(KEYS).insert_one(document)
        return document

    async def all_of(self, tenant: str) -> list[dict[str, Any]]:
        """Return the keys of a tenant."""
        with outages():
            rows: list[dict[str, Any]] = (
                await self._mongo.collection(KEYS).find({"tenant": tenant}).sort("created_at", ASCENDING).to_list(None)
            )
        return rows

    async def ids_of(self, tenant: str, mode: str) -> list[str]:
        """Return the ids of a tenant's keys of a mode, those that ended included."""
        with outages():
            rows = await self._mongo.collection(KEYS).find({"tenant": tenant, "mode": mode}, {"_id": 1}).to_list(None)
        return [row["_id"] for row in rows]

    async def page(
        self, tenant: str, limit: int, last: dict[str, Any] | None, mode: str | None
    ) -> list[dict[str, Any]]:
        """Return a tenant's keys, of one mode or of both, newest first, those after `last`."""
        query: dict[str, Any] = {"tenant": tenant} | ({"mode": mode} if mode is not None else {})
        if last is not None:
            at = last["created_at"]
            query["$or"] = [{"created_at": {"$lt": at}}, {"created_at": at, "_id": {"$lt": last["_id"]}}]
        with outages():
            rows: list[dict[str, Any]] = (
                await self._mongo.collection(KEYS).find(query).sort(NEWEST).limit(limit).to_list(None)
            )
        return rows

    async def get(self, key_id: str, tenant: str | None) -> dict[str, Any] | None:
        """Return a key's record: of a tenant, or of whichever for our own tools."""
        query = {"_id": key_id} if tenant is None else {"_id": key_id, "tenant": tenant}
        with outages():
            row: dict[str, Any] | None = await self._mongo.collection(KEYS).find_one(query)
        return row

    async def end(self, key_id: str, at: datetime, field: str) -> dict[str, Any] | None:
        """Let a key end at a time (`expires_at` for a roll, `revoked_at` at once); -> its record, or None."""
        earliest = [{"$set": {field: {"$min": [at, f"${field}"]}}}]  # as a pipeline: null is no time
        with outages():
            row: dict[str, Any] | None = await self._mongo.collection(KEYS).find_one_and_update(
                {"_id": key_id}, earliest, return_document=ReturnDocument.AFTER
            )
        return row

    async def used(self, key_ids: Iterable[str], at: datetime) -> None:
        """Note the last use of keys."""
        with outages():
            await self._mongo.hasty(KEYS).update_many({"_id": {"$in": list(key_ids)}}, {"$set": {"last_used_at": at}})
