"""Webhook endpoints in MongoDB: what the customer set, how they do, and which notifier serves one at the moment.

An endpoint is the unit of work. `next_due` says when it has something to send, `open_until` that it is left in peace,
`owner` and `owned_until` which process serves it; `work` counts what was added, so that nobody rests over fresh work.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument, UpdateOne
from pymongo.errors import DuplicateKeyError

from libs.directory.reach import Reach
from libs.directory.sealed import Sealed
from libs.mongo.client import Mongo, outages
from services.notifier.domain import CIRCUIT_AFTER, DisabledReason, EndpointStatus, Health

ENDPOINTS = "webhook_endpoints"
MOST = 20  # endpoints of a tenant: each event is written once for each
INDEXES = {
    ENDPOINTS: [
        IndexModel([("tenant", ASCENDING), ("slot", ASCENDING)], name="slot", unique=True),
        IndexModel([("tenant", ASCENDING), ("_id", DESCENDING)], name="tenant"),
        IndexModel([("next_due", ASCENDING)], name="due", partialFilterExpression={"next_due": {"$exists": True}}),
    ]
}

Document = dict[str, Any]


def secret_field(endpoint_id: str) -> str:
    """Return the name under which an endpoint's secrets are encrypted."""
    return f"webhook_secret:{endpoint_id}"


SEALED = (Sealed(ENDPOINTS, "secrets.sealed", lambda row: secret_field(row["_id"]), many=True),)


class EndpointStore:
    """One document per endpoint."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    # -- for the customer; every query carries the tenant

    async def add(self, document: Document) -> bool:
        """Store a new endpoint; -> False where the tenant has `MOST` already (a slot each, so that races count)."""
        endpoints = self._mongo.collection(ENDPOINTS)
        with outages():
            taken = set(await endpoints.distinct("slot", {"tenant": document["tenant"]}))
            for slot in range(MOST):
                if slot in taken:
                    continue
                try:
                    await endpoints.insert_one(document | {"slot": slot})
                except DuplicateKeyError:
                    continue
                return True
        return False

    async def page(self, tenant: str, limit: int, after: str | None, reach: Reach) -> list[Document]:
        """Return a tenant's endpoints as far as they are reached, newest first."""
        query: Document = {"tenant": tenant} | ({"_id": {"$lt": after}} if after else {})
        with outages():
            cursor = self._mongo.collection(ENDPOINTS).find(reach.by_maker(query)).sort("_id", DESCENDING).limit(limit)
            rows: list[Document] = await cursor.to_list(None)
        return rows

    async def get(self, tenant: str, endpoint_id: str, reach: Reach) -> Document | None:
        """Return one endpoint, if it is reached."""
        with outages():
            row: Document | None = await self._mongo.collection(ENDPOINTS).find_one(
                reach.by_maker({"_id": endpoint_id, "tenant": tenant})
            )
        return row

    async def change(self, tenant: str, endpoint_id: str, fields: Mapping[str, Any], now: datetime) -> Document | None:
        """Set fields; one that is enabled, or has another URL, begins with a clean slate. -> the endpoint, or None."""
        update: Document = {"$set": {**fields, "updated_at": now}}
        if fields.get("status") == EndpointStatus.ENABLED or "url" in fields:
            update["$set"] |= {"failures": 0, "next_due": now}
            update["$unset"] = {"failing_since": "", "open_until": ""}
            update["$inc"] = {"work": 1}
        with outages():
            row: Document | None = await self._mongo.collection(ENDPOINTS).find_one_and_update(
                {"_id": endpoint_id, "tenant": tenant}, update, return_document=ReturnDocument.AFTER
            )
        return row

    async def rotate(
        self, tenant: str, endpoint_id: str, old: list[Document], new: list[Document], now: datetime
    ) -> Document | None:
        """Replace the secrets if they are still the `old` ones; -> the endpoint, or None."""
        with outages():
            row: Document | None = await self._mongo.collection(ENDPOINTS).find_one_and_update(
                {"_id": endpoint_id, "tenant": tenant, "secrets": old},
                {"$set": {"secrets": new, "updated_at": now}}, return_document=ReturnDocument.AFTER,
            )  # fmt: skip
        return row

    async def remove(self, tenant: str, endpoint_id: str) -> bool:
        """Forget an endpoint; -> whether there was one."""
        with outages():
            done = await self._mongo.collection(ENDPOINTS).delete_one({"_id": endpoint_id, "tenant": tenant})
        return bool(done.deleted_count)

    async def all_of(self, tenant: str) -> list[Document]:
        """Return all endpoints of a tenant."""
        with outages():
            rows: list[Document] = await self._mongo.collection(ENDPOINTS).find({"tenant": tenant}).to_list(MOST)
        return rows

    # -- for those who send

    async def bump(self, endpoint_ids: Collection[str], now: datetime) -> set[str]:
        """Note that these have something to send now; -> those that are disabled or gone by now."""
        if not endpoint_ids:
            return set()
        enabled, endpoints = EndpointStatus.ENABLED.value, self._mongo.collection(ENDPOINTS)
        work = {"$min": {"next_due": now}, "$inc": {"work": 1}}
        updates = [UpdateOne({"_id": each, "status": enabled}, work) for each in sorted(endpoint_ids)]
        with outages():
            done = await endpoints.bulk_write(updates, ordered=False)
            if done.matched_count == len(updates):
                return set()
            there = await endpoints.distinct("_id", {"_id": {"$in": sorted(endpoint_ids)}, "status": enabled})
        return set(endpoint_ids) - set(there)

    async def claim(
        self, owner: str, length: timedelta, now: datetime, most: int, *, tripped: bool
    ) -> Sequence[Document]:
        """Take up to `most` endpoints that have something to send and nobody to send it, longest due first.

        `tripped` ones have failed again and again. A lease is compared on MongoDB's own clock.
        """
        query = {
            "next_due": {"$lte": now},
            "status": EndpointStatus.ENABLED.value,
            "failures": {"$gte" if tripped else "$lt": CIRCUIT_AFTER},
            "$or": [{"open_until": {"$exists": False}}, {"open_until": {"$lte": now}}],
            "$expr": {"$lt": [{"$ifNull": ["$owned_until", 0]}, "$$NOW"]},
        }
        endpoints, taken = self._mongo.collection(ENDPOINTS), []
        with outages():
            for row in await endpoints.find(query, {"_id": 1}).sort("next_due", ASCENDING).limit(most).to_list(None):
                one = await endpoints.find_one_and_update(
                    query | {"_id": row["_id"]}, _own(owner, length), return_document=ReturnDocument.AFTER
                )
                if one is not None:
                    taken.append(one)
        return taken

    async def renew(self, endpoint_id: str, owner: str, length: timedelta) -> Document | None:
        """Keep an endpoint; -> as it is now, or None where it is ours no longer, disabled or gone."""
        query = {"_id": endpoint_id, "owner": owner, "status": EndpointStatus.ENABLED.value}
        with outages():
            row: Document | None = await self._mongo.collection(ENDPOINTS).find_one_and_update(
                query, _own(owner, length), return_document=ReturnDocument.AFTER
            )
        return row

    async def rest(self, endpoint_id: str, owner: str, work: int, next_due: datetime | None) -> bool:
        """Let an endpoint go until `next_due`; -> False where work came in since `work` was read."""
        return await self._let_go({"_id": endpoint_id, "owner": owner, "work": work}, _due(next_due))

    async def yield_to_others(self, endpoint_id: str, owner: str, now: datetime) -> None:
        """Let an endpoint go that has more to send: it takes its place behind those that wait."""
        await self._let_go({"_id": endpoint_id, "owner": owner}, _due(now))

    async def pause(self, endpoint_id: str, owner: str, until: datetime) -> None:
        """Let a failing endpoint go and leave it in peace until then, whatever comes in."""
        await self._let_go({"_id": endpoint_id, "owner": owner}, {"$set": {"open_until": until}})

    async def _let_go(self, query: Document, update: Document) -> bool:
        update = {"$set": update.get("$set", {}), "$unset": update.get("$unset", {}) | {"owner": "", "owned_until": ""}}
        if not update["$set"]:
            del update["$set"]
        with outages():
            done = await self._mongo.collection(ENDPOINTS).update_one(query, update)
        return bool(done.matched_count)

    async def note(self, endpoint_id: str, health: Health, succeeded: datetime | None, failed: datetime | None) -> None:
        """Write down how an endpoint does."""
        fields: Document = {"failures": health.failures}
        fields |= {"last_success_at": succeeded} if succeeded else {}
        fields |= {"last_failure_at": failed} if failed else {}
        update: Document = {"$set": fields}
        if health.failing_since is None:
            update["$unset"] = {"failing_since": "", "open_until": ""}
        else:
            fields["failing_since"] = health.failing_since
        with outages():
            await self._mongo.collection(ENDPOINTS).update_one({"_id": endpoint_id}, update)

    async def disable(self, endpoint_id: str, reason: DisabledReason, now: datetime) -> bool:
        """Disable an endpoint for what it did; -> False where somebody else did before."""
        query = {"_id": endpoint_id, "status": EndpointStatus.ENABLED.value}
        gone = {"owner": "", "owned_until": "", "open_until": "", "next_due": ""}
        with outages():
            done = await self._mongo.collection(ENDPOINTS).update_one(
                query, {"$set": disabled(reason, now) | {"updated_at": now}, "$unset": gone}
            )
        return bool(done.modified_count)

    async def count_disabled(self) -> int:
        """Count the endpoints that are disabled, of all tenants."""
        with outages():
            return await self._mongo.collection(ENDPOINTS).count_documents({"status": EndpointStatus.DISABLED.value})


def disabled(reason: DisabledReason, now: datetime) -> Document:
    """Return what a disabled endpoint says of itself."""
    return {"status": EndpointStatus.DISABLED.value, "disabled_reason": reason.value, "disabled_at": now}


def _own(owner: str, length: timedelta) -> list[Document]:
    amount = int(length.total_seconds() * 1000)
    until = {"$dateAdd": {"startDate": "$$NOW", "unit": "millisecond", "amount": amount}}
    return [{"$set": {"owner": owner, "owned_until": until}}]


def _due(next_due: datetime | None) -> Document:
    return {"$unset": {"next_due": ""}} if next_due is None else {"$set": {"next_due": next_due}}
