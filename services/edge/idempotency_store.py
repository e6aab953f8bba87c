"""Idempotency keys of calls other than messages, in MongoDB."""

from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from libs.ledger.record import Idempotency
from libs.mongo.client import Mongo, outages

COLLECTION = "idempotency_keys"
KEPT = timedelta(hours=48)  # clients are promised a day; the other one is for their clocks and ours
INDEXES = {COLLECTION: [IndexModel([("at", ASCENDING)], name="forget", expireAfterSeconds=int(KEPT.total_seconds()))]}


class IdempotencyStore:
    """One document per tenant and key: a lease while its call runs, then its answer."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def begin(
        self, tenant: str, idempotency: Idempotency, now: datetime, lease: timedelta
    ) -> dict[str, Any] | None:
        """Take the key for a call; -> None when it is ours now, else what stands under it."""
        document = {
            "_id": f"{tenant}\x1f{idempotency.key}", "fingerprint": idempotency.fingerprint, "at": now,
            "lease_until": now + lease,
        }  # fmt: skip
        collection = self._mongo.collection(COLLECTION)
        try:
            with outages():
                await collection.insert_one(document)
            return None
        except DuplicateKeyError:
            pass
        taken_over = {
            "_id": document["_id"], "answer": {"$exists": False}, "fingerprint": idempotency.fingerprint,
            "lease_until": {"$lt": now},
        }  # fmt: skip
        with outages():
            result = await collection.update_one(taken_over, {"$set": {"lease_until": now + lease}})
            if result.modified_count:
                return None
            found: dict[str, Any] | None = await collection.find_one({"_id": document["_id"]})
        return found if found is not None else await self.begin(tenant, idempotency, now, lease)

    async def renew(self, tenant: str, idempotency: Idempotency, until: datetime) -> None:
        """Lengthen the lease of a call that still runs."""
        with outages():
            await self._mongo.collection(COLLECTION).update_one(
                {"_id": f"{tenant}\x1f{idempotency.key}", "answer": {"$exists": False}},
                {"$set": {"lease_until": until}},
            )

    async def finish(self, tenant: str, idempotency: Idempotency, answer: dict[str, Any]) -> None:
        """Keep the call's answer."""
        with outages():
            await self._mongo.collection(COLLECTION).update_one(
                {"_id": f"{tenant}\x1f{idempotency.key}"}, {"$set": {"answer": answer}, "$unset": {"lease_until": ""}}
            )

    async def forget(self, tenant: str, idempotency: Idempotency) -> None:
        """Free the key: its call did not do anything."""
        with outages():
            await self._mongo.collection(COLLECTION).delete_one(
                {"_id": f"{tenant}\x1f{idempotency.key}", "answer": {"$exists": False}}
            )
