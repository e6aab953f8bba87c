"""Deliveries in MongoDB: one per endpoint and event, with its body, its attempts, and when it is due."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument, UpdateOne
from pymongo.errors import BulkWriteError

from libs.mongo.client import Mongo, duplicates, outages
from services.notifier.domain import DeliveryState, Outcome

DELIVERIES = "webhook_deliveries"
LOGGED = 20  # attempts that a delivery shows: its ten, and those of a replay
BYTES = 4 * 1024 * 1024  # of bodies held for one endpoint at once (and one body in any case)
COUNTED = 100_000  # deliveries: counting more says nothing new
INDEXES = {
    DELIVERIES: [
        IndexModel([("endpoint_id", ASCENDING), ("created_at", DESCENDING), ("_id", DESCENDING)], name="log"),
        IndexModel(
            [("endpoint_id", ASCENDING), ("due", ASCENDING)],
            name="due",
            partialFilterExpression={"due": {"$exists": True}},
        ),
        IndexModel([("expires_at", ASCENDING)], name="expiry", expireAfterSeconds=0),
    ]
}

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Settled:
    """One attempt's outcome and what follows: due again, or a final state."""

    delivery_id: str
    outcome: Outcome
    state: DeliveryState
    due: datetime | None


@dataclass(frozen=True, slots=True)
class Span:
    """Which stored deliveries: by the time they were made, by their event's type (None is any), by state."""

    since: datetime
    until: datetime | None = None
    types: Collection[str] | None = None
    state: DeliveryState | None = None


class DeliveryStore:
    """What is to be sent, and the log of what was."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def add(self, rows: Sequence[Document]) -> int:
        """Store deliveries; one that is there already (the event came again) is left as it is. -> how many are new."""
        if not rows:
            return 0
        with outages():
            try:
                await self._mongo.collection(DELIVERIES).insert_many(rows, ordered=False)
            except BulkWriteError as error:
                return len(rows) - len(duplicates(error))
        return len(rows)

    async def due(self, endpoint_id: str, now: datetime, most: int) -> list[Document]:
        """Return what an endpoint is to be sent now, longest due first: no more than may be held at once."""
        query = {"endpoint_id": endpoint_id, "due": {"$lte": now}}
        deliveries = self._mongo.collection(DELIVERIES)
        with outages():
            cursor = deliveries.find(query, {"log": 0, "body": 0}).sort("due", ASCENDING).limit(most)
            rows = fitting(await cursor.to_list(None), BYTES)
            ids = [row["_id"] for row in rows]
            found = await deliveries.find({"_id": {"$in": ids}}, {"body": 1}).to_list(None) if ids else []
        bodies = {row["_id"]: row["body"] for row in found}
        return [row | {"body": bodies[row["_id"]]} for row in rows if row["_id"] in bodies]

    async def next_due(self, endpoint_id: str) -> datetime | None:
        """Return when an endpoint's next delivery is due; None where none waits."""
        with outages():
            row = await self._mongo.collection(DELIVERIES).find_one(
                {"endpoint_id": endpoint_id, "due": {"$exists": True}}, {"due": 1}, sort=[("due", ASCENDING)]
            )
        return row["due"] if row else None

    async def settle(self, settled: Sequence[Settled]) -> Sequence[None]:
        """Write outcomes down, each with its attempt in the log."""
        updates = [UpdateOne(*_settlement(one)) for one in settled]
        with outages():
            await self._mongo.collection(DELIVERIES).bulk_write(updates, ordered=False)
        return [None] * len(settled)

    async def hold(self, endpoint_id: str) -> None:
        """Hold what waits for an endpoint that was disabled: sent only if its customer asks."""
        with outages():
            await self._mongo.collection(DELIVERIES).update_many(
                {"endpoint_id": endpoint_id, "due": {"$exists": True}},
                {"$set": {"state": DeliveryState.HELD.value}, "$unset": {"due": ""}},
            )

    async def remove(self, delivery_ids: Sequence[str]) -> None:
        """Remove deliveries, whatever became of them."""
        with outages():
            await self._mongo.collection(DELIVERIES).delete_many({"_id": {"$in": list(delivery_ids)}})

    async def forget(self, tenant: str, endpoint_id: str) -> None:
        """Remove all deliveries of an endpoint that is no more."""
        with outages():
            await self._mongo.collection(DELIVERIES).delete_many({"endpoint_id": endpoint_id, "tenant": tenant})

    # -- for the customer; every query carries the tenant

    async def page(
        self, tenant: str, endpoint_id: str, state: DeliveryState | None, limit: int, after: str | None
    ) -> list[Document] | None:
        """Return an endpoint's deliveries, newest first; None where `after` is none of them."""
        query: Document = {"endpoint_id": endpoint_id, "tenant": tenant} | ({"state": state.value} if state else {})
        with outages():
            deliveries = self._mongo.collection(DELIVERIES)
            if after is not None:
                last = await deliveries.find_one({"_id": after, "endpoint_id": endpoint_id, "tenant": tenant})
                if last is None:
                    return None
                made = last["created_at"]
                query["$or"] = [{"created_at": {"$lt": made}}, {"created_at": made, "_id": {"$lt": after}}]
            cursor = deliveries.find(query, {"body": 0}).sort([("created_at", DESCENDING), ("_id", DESCENDING)])
            rows: list[Document] = await cursor.limit(limit).to_list(None)
        return rows

    async def send_again(self, tenant: str, endpoint_id: str, delivery_id: str, now: datetime) -> Document | None:
        """Make one delivery due with all its tries before it; -> the delivery, or None."""
        with outages():
            row: Document | None = await self._mongo.collection(DELIVERIES).find_one_and_update(
                {"_id": delivery_id, "endpoint_id": endpoint_id, "tenant": tenant}, _again(now),
                projection={"body": 0}, return_document=ReturnDocument.AFTER,
            )  # fmt: skip
        return row

    async def count(self, tenant: str, endpoint_id: str, span: Span, most: int) -> int:
        """Count deliveries, no further than `most`."""
        with outages():
            return await self._mongo.collection(DELIVERIES).count_documents(
                _spanned(tenant, endpoint_id, span), limit=most
            )

    async def send_all_again(self, tenant: str, endpoint_id: str, span: Span, now: datetime) -> int:
        """Make many deliveries due with all their tries before them; -> how many."""
        with outages():
            done = await self._mongo.collection(DELIVERIES).update_many(
                _spanned(tenant, endpoint_id, span), _again(now)
            )
        return int(done.matched_count)

    # -- for the operator

    async def waiting(self, now: datetime) -> tuple[int, float]:
        """Return how many deliveries of all endpoints are due, and for how many seconds the longest has been."""
        query = {"due": {"$lte": now}}
        with outages():
            deliveries = self._mongo.collection(DELIVERIES)
            count = await deliveries.count_documents(query, limit=COUNTED, hint="due")
            oldest = (
                await deliveries.find_one(query, {"due": 1}, sort=[("due", ASCENDING)], hint="due") if count else None
            )
        return count, (now - oldest["due"]).total_seconds() if oldest else 0.0


def fitting(rows: Sequence[Document], most: int) -> list[Document]:
    """Return the first rows whose bodies have at most so many bytes together, and the first in any case."""
    total = 0
    taken: list[Document] = []
    for row in rows:
        total += row["size"]
        if taken and total > most:
            break
        taken.append(row)
    return taken


def _settlement(one: Settled) -> tuple[Document, Document]:
    outcome = one.outcome
    attempt = {
        "at": outcome.at, "status_code": outcome.status_code, "duration_ms": outcome.duration_ms,
        "error": outcome.error, "answer": outcome.answer,
    }  # fmt: skip
    fields: Document = {"state": one.state.value}
    update: Document = {
        "$set": fields, "$inc": {"tries": 1, "attempt_count": 1},
        "$push": {"log": {"$each": [attempt], "$slice": -LOGGED}},
    }  # fmt: skip
    if one.due is None:
        update["$unset"] = {"due": ""}
    else:
        fields["due"] = one.due
    return {"_id": one.delivery_id, "due": {"$exists": True}}, update


def _again(now: datetime) -> Document:
    return {"$set": {"state": DeliveryState.PENDING.value, "due": now, "tries": 0}}


def _spanned(tenant: str, endpoint_id: str, span: Span) -> Document:
    made = {"$gte": span.since} | ({"$lt": span.until} if span.until else {})
    query: Document = {"endpoint_id": endpoint_id, "tenant": tenant, "created_at": made}
    if span.types is not None:
        query["type"] = {"$in": sorted(span.types)}
    if span.state is not None:
        query["state"] = span.state.value
    return query
