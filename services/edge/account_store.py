"""Connected accounts and numbers in MongoDB. Tokens and secrets are stored encrypted."""

from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument
from pymongo.errors import DuplicateKeyError

from libs.directory.directory import ACCOUNTS, NUMBERS, SECRET_FIELD, TOKEN_FIELD
from libs.directory.vault import Vault
from libs.mongo.client import Mongo, outages
from libs.runtime.ids import new_id

INDEXES = {
    ACCOUNTS: [
        IndexModel(
            [("waba_id", ASCENDING)],
            name="one_owner",
            unique=True,
            partialFilterExpression={"owned": True},
        ),
        IndexModel([("tenant", ASCENDING), ("_id", DESCENDING)], name="tenant"),
        IndexModel([("announce", ASCENDING)], name="announce", partialFilterExpression={"announce": True}),
    ],
    NUMBERS: [IndexModel([("tenant", ASCENDING), ("_id", ASCENDING)], name="tenant")],
}

Document = dict[str, Any]


class Taken(Exception):
    """The account or number belongs to another tenant."""


class AccountStore:
    """Writes accounts and numbers of tenants."""

    def __init__(self, mongo: Mongo, vault: Vault) -> None:
        self._mongo = mongo
        self._vault = vault

    async def prepare(self, tenant: str, waba_id: str, token: str, app_secret: str | None, now: datetime) -> Document:
        """Make the account known as `connecting`, with its credentials; raises Taken.

        An account that is active stays active while it is connected again.
        """
        sealed = {TOKEN_FIELD: self._vault.encrypt(tenant, TOKEN_FIELD, token)}
        sealed[SECRET_FIELD] = self._vault.encrypt(tenant, SECRET_FIELD, app_secret) if app_secret else ""
        update: Document = {
            "$set": {name: value for name, value in sealed.items() if value} | {"updated_at": now},
            "$setOnInsert": {"_id": new_id(), "created_at": now, "status": "connecting"},
        }
        if not app_secret:
            update["$unset"] = {SECRET_FIELD: ""}
        try:
            with outages():
                row: Document = await self._mongo.collection(ACCOUNTS).find_one_and_update(
                    {"tenant": tenant, "waba_id": waba_id, "owned": True},
                    update,
                    upsert=True,
                    return_document=ReturnDocument.AFTER,
                )
        except DuplicateKeyError:
            raise Taken from None
        return row

    async def abandon(self, account_id: str) -> None:
        """Forget a prepared account whose connection failed; one that was active before stays."""
        with outages():
            await self._mongo.collection(ACCOUNTS).delete_one({"_id": account_id, "status": "connecting"})

    async def take_number(self, tenant: str, waba_id: str, number: Document, now: datetime) -> bool:
        """Store a number as the tenant's; -> whether it is new. Raises Taken."""
        try:
            with outages():
                before = await self._mongo.collection(NUMBERS).find_one_and_update(
                    {"_id": number["_id"], "$or": [{"tenant": tenant}, {"status": "disconnected"}]},
                    {"$set": number | {"tenant": tenant, "waba_id": waba_id, "updated_at": now, "stop_reason": None},
                     "$setOnInsert": {"created_at": now}},
                    upsert=True,
                    return_document=ReturnDocument.BEFORE,
                )  # fmt: skip
        except DuplicateKeyError:
            raise Taken from None
        return bool(before is None or before["status"] == "disconnected" or before["tenant"] != tenant)

    async def activate(self, account_id: str, tenant: str, facts: Document, now: datetime) -> Document | None:
        """Make a prepared account active, to be announced; -> its record."""
        changes = facts | {"status": "active", "stop_reason": None, "announce": True, "connected_at": now}
        return await self._update(ACCOUNTS, {"_id": account_id, "tenant": tenant}, changes)

    async def announced(self, account_id: str) -> None:
        """Note that the account's connection was announced."""
        with outages():
            await self._mongo.collection(ACCOUNTS).update_one({"_id": account_id}, {"$unset": {"announce": ""}})

    async def to_announce(self) -> list[Document]:
        """Return the accounts whose connection is not announced yet."""
        with outages():
            rows: list[Document] = await self._mongo.collection(ACCOUNTS).find({"announce": True}).to_list(100)
        return rows

    async def accounts(self, tenant: str, limit: int, after: str | None) -> list[Document]:
        """Return a tenant's connected accounts, newest first."""
        query: Document = {"tenant": tenant, "owned": True, "status": {"$nin": ["connecting", "disconnected"]}}
        if after is not None:
            query["_id"] = {"$lt": after}
        with outages():
            cursor = self._mongo.collection(ACCOUNTS).find(query).sort("_id", DESCENDING).limit(limit)
            rows: list[Document] = await cursor.to_list(None)
        return rows

    async def numbers(self, tenant: str, limit: int, after: str | None) -> list[Document]:
        """Return a tenant's connected numbers, by id."""
        query: Document = {"tenant": tenant, "status": {"$nin": ["connecting", "disconnected"]}}
        if after is not None:
            query["_id"] = {"$gt": after}
        with outages():
            cursor = self._mongo.collection(NUMBERS).find(query).sort("_id", ASCENDING).limit(limit)
            rows: list[Document] = await cursor.to_list(None)
        return rows

    async def update_account(self, waba_id: str, changes: Document) -> Document | None:
        """Change a connected account; -> its record after it, or None where there is none."""
        return await self._update(
            ACCOUNTS, {"waba_id": waba_id, "owned": True, "status": {"$ne": "connecting"}}, changes
        )

    async def update_number(self, query: Document, changes: Document) -> Document | None:
        """Change a connected number; -> its record after it, or None where there is none."""
        return await self._update(NUMBERS, query | {"status": {"$ne": "disconnected"}}, changes)

    async def numbers_of(self, waba_id: str) -> list[Document]:
        """Return all connected numbers of an account."""
        with outages():
            query = {"waba_id": waba_id, "status": {"$ne": "disconnected"}}
            rows: list[Document] = await self._mongo.collection(NUMBERS).find(query).to_list(None)
        return rows

    async def _update(self, collection: str, query: Document, changes: Document) -> Document | None:
        with outages():
            row: Document | None = await self._mongo.collection(collection).find_one_and_update(
                query, {"$set": changes}, return_document=ReturnDocument.AFTER
            )
        return row
