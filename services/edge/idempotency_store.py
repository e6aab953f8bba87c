"""Idempotency keys of calls other than messages, in MongoDB."""

from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from libs.directory.sealed import Sealed
from libs.directory.vault import CannotDecrypt, Vault
from libs.ledger.record import Idempotency
from libs.mongo.client import Mongo, outages
from libs.web.errors import Conflict

COLLECTION = "idempotency_keys"
ANSWER_FIELD = "idempotent_answer"  # bound into the encryption with the key: an answer cannot be moved to another
KEPT = timedelta(hours=48)  # clients are promised a day; the other one is for their clocks and ours
INDEXES = {COLLECTION: [IndexModel([("at", ASCENDING)], name="forget", expireAfterSeconds=int(KEPT.total_seconds()))]}

SEALED = (
    Sealed(
        COLLECTION, "answer.body", lambda row: _field(row["_id"]), tenant=lambda row: str(row["_id"]).split("\x1f")[0]
    ),
)


class IdempotencyStore:
    """One document per tenant and key: a lease while its call runs, then its answer.

    Bodies of answers are encrypted, every one: some show a secret that is shown once and stored nowhere else.
    """

    def __init__(self, mongo: Mongo, vault: Vault) -> None:
        self._mongo = mongo
        self._vault = vault

    async def begin(
        self, tenant: str, idempotency: Idempotency, now: datetime, lease: timedelta
    ) -> dict[str, Any] | None:
        """Take the key for a call; -> None when it is ours now, else what stands under it.

        Raises Conflict where the answer cannot be read any more.
        """
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
        return self._opened(tenant, found) if found is not None else await self.begin(tenant, idempotency, now, lease)

    async def renew(self, tenant: str, idempotency: Idempotency, until: datetime) -> None:
        """Lengthen the lease of a call that still runs."""
        with outages():
            await self._mongo.collection(COLLECTION).update_one(
                {"_id": f"{tenant}\x1f{idempotency.key}", "answer": {"$exists": False}},
                {"$set": {"lease_until": until}},
            )

    async def finish(self, tenant: str, idempotency: Idempotency, answer: dict[str, Any]) -> None:
        """Keep the call's answer."""
        name = f"{tenant}\x1f{idempotency.key}"
        answer = answer | {"body": self._vault.encrypt(tenant, _field(name), answer["body"])}
        with outages():
            await self._mongo.collection(COLLECTION).update_one(
                {"_id": name}, {"$set": {"answer": answer}, "$unset": {"lease_until": ""}}
            )

    async def forget(self, tenant: str, idempotency: Idempotency) -> None:
        """Free the key: its call did not do anything."""
        with outages():
            await self._mongo.collection(COLLECTION).delete_one(
                {"_id": f"{tenant}\x1f{idempotency.key}", "answer": {"$exists": False}}
            )

    def _opened(self, tenant: str, row: dict[str, Any]) -> dict[str, Any]:
        if "answer" not in row:
            return row
        try:
            body = self._vault.decrypt(tenant, _field(row["_id"]), row["answer"]["body"])
        except CannotDecrypt:  # its key left the ring
            words = "The call was made, but its answer cannot be read any more. Look at what it made."
            raise Conflict(words, code="answer_not_kept", param="Idempotency-Key") from None
        return row | {"answer": row["answer"] | {"body": body}}


def _field(name: str) -> str:
    return f"{ANSWER_FIELD}\x1f{name}"
