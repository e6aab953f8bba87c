"""Connected accounts and numbers in MongoDB. Tokens and secrets are stored encrypted."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument
from pymongo.errors import DuplicateKeyError

from libs.directory.directory import ACCOUNTS, NUMBERS, SECRET_FIELD, TOKEN_FIELD
from libs.directory.reach import Reach
from libs.directory.sealed import Sealed
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

PIN_FIELD = "pin"  # the two-step PIN of a number that we registered
SEALED = (
    Sealed(ACCOUNTS, TOKEN_FIELD, lambda _: TOKEN_FIELD),
    Sealed(ACCOUNTS, SECRET_FIELD, lambda _: SECRET_FIELD),
    Sealed(NUMBERS, PIN_FIELD, lambda _: PIN_FIELD),
)
GONE = ["connecting", "disconnected"]  # not shown, and not changed, by anybody


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

    async def take_number(
        self, tenant: str, waba_id: str, number: Document, now: datetime, pin: str | None = None
    ) -> bool:
        """Store a number as the tenant's, with its two-step PIN if we know it; -> whether it is new. Raises Taken."""
        number = number | ({PIN_FIELD: self._vault.encrypt(tenant, PIN_FIELD, pin)} if pin else {})
        try:
            with outages():
                before = await self._mongo.collection(NUMBERS).find_one_and_update(
                    {"_id": number["_id"], "$or": [{"tenant": tenant}, {"status": "disconnected"}]},
                    {"$set": number | {"tenant": tenant, "waba_id": waba_id, "updated_at": now, "stop_reason": None,
                                       "connected_at": now},
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

    async def account(self, tenant: str, waba_id: str) -> Document | None:
        """Return a tenant's connected account."""
        return (await self.accounts_of(tenant, [waba_id])).get(waba_id)

    async def accounts_of(self, tenant: str, waba_ids: Iterable[str]) -> dict[str, Document]:
        """Return a tenant's connected accounts of these ids: WABA id -> account."""
        query = {"tenant": tenant, "waba_id": {"$in": list(set(waba_ids))}, "owned": True, "status": {"$nin": GONE}}
        with outages():
            rows: list[Document] = await self._mongo.collection(ACCOUNTS).find(query).to_list(None)
        return {row["waba_id"]: row for row in rows}

    async def known(self, tenant: str, waba_id: str, phone_number_id: str) -> list[str]:
        """Return which accounts a tenant has, or had, of this id or with this number."""
        with outages():
            number = await self._mongo.collection(NUMBERS).find_one({"_id": phone_number_id, "tenant": tenant})
            ids = [waba_id, *([number["waba_id"]] if number else [])]
            query = {"tenant": tenant, "waba_id": {"$in": ids}, "status": {"$ne": "connecting"}}
            found: list[str] = await self._mongo.collection(ACCOUNTS).distinct("waba_id", query)
        return found

    async def number(self, tenant: str, phone_number_id: str) -> Document | None:
        """Return a tenant's connected number."""
        query = {"_id": phone_number_id, "tenant": tenant, "status": {"$nin": GONE}}
        with outages():
            row: Document | None = await self._mongo.collection(NUMBERS).find_one(query)
        return row

    def pin_of(self, number: Document) -> str | None:
        """Return the two-step PIN of a number, None where we do not know it."""
        sealed = number.get(PIN_FIELD)
        return self._vault.decrypt(number["tenant"], PIN_FIELD, sealed) if sealed else None

    async def keep_pin(self, number: Document, pin: str) -> None:
        """Keep the two-step PIN of a number, encrypted."""
        sealed = self._vault.encrypt(number["tenant"], PIN_FIELD, pin)
        await self.update_number({"_id": number["_id"], "tenant": number["tenant"]}, {PIN_FIELD: sealed})

    async def disconnect(self, tenant: str, waba_id: str, now: datetime) -> bool:
        """Disconnect an account and its numbers: its credentials are forgotten; -> whether there was one."""
        gone = {"status": "disconnected", "stop_reason": None, "updated_at": now, "disconnected_at": now}
        forgotten = {"$set": gone, "$unset": {TOKEN_FIELD: "", SECRET_FIELD: "", "owned": "", "announce": ""}}
        with outages():
            result = await self._mongo.collection(ACCOUNTS).update_one(
                {"tenant": tenant, "waba_id": waba_id, "owned": True, "status": {"$ne": "connecting"}}, forgotten
            )
            await self._mongo.collection(NUMBERS).update_many(
                {"tenant": tenant, "waba_id": waba_id}, {"$set": gone, "$unset": {PIN_FIELD: ""}}
            )
        return bool(result.modified_count)

    async def to_refresh(self, before: datetime, most: int) -> list[Document]:
        """Return connected accounts that were not read from Meta since then, the longest ago first."""
        query: Document = {
            "owned": True, "status": {"$nin": GONE},
            "$or": [{"refreshed_at": {"$exists": False}}, {"refreshed_at": {"$lt": before}}],
        }  # fmt: skip
        with outages():
            cursor = self._mongo.collection(ACCOUNTS).find(query).sort("refreshed_at", ASCENDING).limit(most)
            rows: list[Document] = await cursor.to_list(None)
        return rows

    async def accounts(self, tenant: str, limit: int, after: str | None, reach: Reach) -> list[Document]:
        """Return a tenant's connected accounts as far as they are reached, newest first."""
        query: Document = {"tenant": tenant, "owned": True, "status": {"$nin": GONE}}
        if after is not None:
            query["_id"] = {"$lt": after}
        with outages():
            cursor = self._mongo.collection(ACCOUNTS).find(reach.by_account(query)).sort("_id", DESCENDING).limit(limit)
            rows: list[Document] = await cursor.to_list(None)
        return rows

    async def numbers(self, tenant: str, limit: int, after: str | None, reach: Reach) -> list[Document]:
        """Return a tenant's connected numbers as far as they are reached, by id."""
        query: Document = {"tenant": tenant, "status": {"$nin": GONE}}
        if after is not None:
            query["_id"] = {"$gt": after}
        with outages():
            cursor = self._mongo.collection(NUMBERS).find(reach.by_account(query)).sort("_id", ASCENDING).limit(limit)
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

    async def hear_account(self, waba_id: str, changes: Document, at: datetime, now: datetime) -> Document | None:
        """Change what nothing later was heard of; -> its record after it, None where that is nothing.

        Meta's times are whole seconds, so what happened in the second of the connection counts as after it.
        """
        query = {"waba_id": waba_id, "owned": True, "status": {"$ne": "connecting"}}
        return _taken(await self._update(ACCOUNTS, query | _connected_by(at), _heard(changes, at, now)), changes, at)

    async def hear_number(self, query: Document, changes: Document, at: datetime, now: datetime) -> Document | None:
        """Change what nothing later was heard of a number; -> as above."""
        query = query | {"status": {"$ne": "disconnected"}} | _connected_by(at)
        return _taken(await self._update(NUMBERS, query, _heard(changes, at, now)), changes, at)

    async def numbers_of(self, waba_id: str) -> list[Document]:
        """Return all connected numbers of an account."""
        with outages():
            query = {"waba_id": waba_id, "status": {"$ne": "disconnected"}}
            rows: list[Document] = await self._mongo.collection(NUMBERS).find(query).to_list(None)
        return rows

    async def count_accounts(self) -> list[tuple[str, str | None, int]]:
        """Count the connected accounts of all tenants; -> (status, reason of a stop, how many)."""
        rows = await self._counted(ACCOUNTS, {"owned": True, "status": {"$nin": GONE}}, ("status", "stop_reason"))
        return [(row["_id"]["status"], row["_id"].get("stop_reason"), row["count"]) for row in rows]

    async def count_numbers(self) -> list[tuple[str, str | None, str | None, int]]:
        """Count the connected numbers of all tenants; -> (status, reason of a stop, Meta's quality, how many)."""
        by = ("status", "stop_reason", "quality_rating")
        rows = await self._counted(NUMBERS, {"status": {"$nin": GONE}}, by)
        return [(row["_id"]["status"], *(row["_id"].get(name) for name in by[1:]), row["count"]) for row in rows]

    async def _counted(self, collection: str, query: Document, by: Sequence[str]) -> list[Document]:
        group = {"_id": {name: f"${name}" for name in by}, "count": {"$sum": 1}}
        with outages():
            cursor = self._mongo.collection(collection).aggregate([{"$match": query}, {"$group": group}])
            rows: list[Document] = await cursor.to_list(None)
        return rows

    async def _update(
        self, collection: str, query: Document, changes: Document | list[Document]
    ) -> Document | None:  # fmt: skip
        update = changes if isinstance(changes, list) else {"$set": changes}
        with outages():
            row: Document | None = await self._mongo.collection(collection).find_one_and_update(
                query, update, return_document=ReturnDocument.AFTER
            )
        return row


def _taken(row: Document | None, changes: Document, at: datetime) -> Document | None:
    """Return the record if any of the changes was news; told again, they are still."""
    return row if row is not None and any(row["heard"][name] <= at for name in changes) else None


def _connected_by(at: datetime) -> Document:
    """Return the condition that something was connected already when Meta spoke."""
    return {"$or": [{"connected_at": {"$lt": at + timedelta(seconds=1)}}, {"connected_at": None}]}


def _heard(changes: Document, at: datetime, now: datetime) -> list[Document]:
    """Return the update that sets each field unless something later was heard of it."""
    fields: Document = {"updated_at": now}
    for name, value in changes.items():
        heard = f"$heard.{name}"
        is_news = {"$lte": [{"$ifNull": [heard, at]}, at]}
        fields |= {
            name: {"$cond": [is_news, {"$literal": value}, f"${name}"]},
            f"heard.{name}": {"$max": [heard, at]},
        }
    return [{"$set": fields}]
