"""Templates and sync jobs in MongoDB. A change is kept as untold until its event is acknowledged."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument, UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError

from libs.directory.directory import TEMPLATES
from libs.directory.reach import Reach
from libs.mongo.client import Mongo, duplicates, outages
from libs.runtime.ids import new_id

JOBS = "template_syncs"
INDEXES = {
    TEMPLATES: [
        IndexModel(
            [("tenant", ASCENDING), ("waba_id", ASCENDING), ("name", ASCENDING), ("language", ASCENDING)],
            name="natural_key",
            unique=True,
        ),
        IndexModel([("waba_id", ASCENDING), ("meta_id", ASCENDING)], name="meta_id"),
        IndexModel([("tenant", ASCENDING), ("_id", DESCENDING)], name="tenant"),
        IndexModel([("untold", ASCENDING)], name="untold", partialFilterExpression={"untold": {"$exists": True}}),
    ],
    JOBS: [IndexModel([("next_try", ASCENDING)], name="retry", partialFilterExpression={"state": "retrying"})],
}

Document = dict[str, Any]
_GONE: Document = {"status": "DELETED", "removed": True, "untold": "removed"}
MOST_UNTOLD = 500  # events of one go


class TemplateStore:
    """The projection of an account's templates, one document per name and language."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def of_account(self, tenant: str, waba_id: str) -> dict[tuple[str, str], Document]:
        """Return (name, language) -> template, those that are gone included."""
        with outages():
            rows = await self._mongo.collection(TEMPLATES).find({"tenant": tenant, "waba_id": waba_id}).to_list(None)
        return {(row["name"], row["language"]): row for row in rows}

    async def add(self, tenant: str, waba_id: str, found: Sequence[Document], now: datetime) -> int:
        """Write templates that are new, or there again, each untold; -> how many were."""
        updates = [
            UpdateOne(
                _natural_key(tenant, waba_id, fields) | {"removed": {"$ne": False}}, _fresh(fields, now), upsert=True
            )
            for fields in found
        ]
        if not updates:
            return 0
        try:
            with outages():
                done = await self._mongo.collection(TEMPLATES).bulk_write(updates, ordered=False)
            return int(done.upserted_count + done.modified_count)
        except BulkWriteError as error:  # somebody else wrote it in this moment
            return len(updates) - len(duplicates(error))

    async def put(self, tenant: str, waba_id: str, fields: Document, now: datetime) -> Document:
        """Write a template that was created; one that a sync or webhook brought first stays as they have it."""
        rows, key = self._mongo.collection(TEMPLATES), _natural_key(tenant, waba_id, fields)
        other = {"$or": [{"removed": {"$ne": False}}, {"meta_id": {"$ne": fields["meta_id"]}}]}
        with outages():
            try:
                row: Document | None = await rows.find_one_and_update(
                    key | other, _fresh(fields, now), upsert=True, return_document=ReturnDocument.AFTER
                )
            except DuplicateKeyError:
                row = await rows.find_one(key)
        return row or fields | {"_id": "", "waba_id": waba_id}

    async def rewrite(self, changed: Sequence[tuple[Document, Document]], now: datetime) -> int:
        """Write what changed of rows that nobody else has written meanwhile, each untold; -> how many were."""
        return await self._unless_written([(row, fields | {"untold": "changed"}) for row, fields in changed], now)

    async def update(self, row: Document, fields: Document, now: datetime) -> Document | None:
        """Write one row unless somebody else has meanwhile; -> it, or None."""
        return row | fields | {"changed_at": now} if await self.rewrite([(row, fields)], now) else None

    async def remove(self, tenant: str, rows: Sequence[Document], now: datetime) -> int:
        """Mark rows as removed, each untold; -> how many were."""
        return await self._unless_written([(row, _GONE) for row in rows if row["tenant"] == tenant], now)

    async def forget(self, tenant: str, rows: Sequence[Document], now: datetime) -> None:
        """Mark rows as removed whatever was written to them meanwhile: they were deleted at Meta."""
        query = {"tenant": tenant, "_id": {"$in": [row["_id"] for row in rows]}, "removed": False}
        with outages():
            await self._mongo.collection(TEMPLATES).update_many(query, {"$set": _GONE | {"changed_at": now}})

    async def _unless_written(self, changes: Sequence[tuple[Document, Document]], now: datetime) -> int:
        updates = [
            UpdateOne(
                {"_id": row["_id"], "tenant": row["tenant"], "changed_at": row["changed_at"]},
                {"$set": fields | {"changed_at": now}},
            )
            for row, fields in changes
        ]
        if not updates:
            return 0
        with outages():
            done = await self._mongo.collection(TEMPLATES).bulk_write(updates, ordered=False)
        return int(done.modified_count)

    async def named(self, tenant: str, name: str) -> list[Document]:
        """Return a tenant's templates of a name, in all accounts and languages."""
        with outages():
            query = {"tenant": tenant, "name": name, "removed": False}
            rows: list[Document] = await self._mongo.collection(TEMPLATES).find(query).to_list(None)
        return rows

    async def synced(self, tenant: str, waba_id: str, now: datetime) -> None:
        """Note that the account's projection was compared with Meta."""
        with outages():
            await self._mongo.collection(TEMPLATES).update_many(
                {"tenant": tenant, "waba_id": waba_id}, {"$set": {"synced_at": now}}
            )

    async def find(self, tenant: str, waba_id: str, meta_id: str, name: str, language: str) -> Document | None:
        """Find the template of a webhook by Meta's id, else by name and language."""
        either = [{"meta_id": meta_id}, {"name": name, "language": language}]
        with outages():
            row: Document | None = await self._mongo.collection(TEMPLATES).find_one(
                {"tenant": tenant, "waba_id": waba_id, "$or": either}
            )
        return row

    async def change(self, row: Document, changes: Document, at: datetime, stamp: str, now: datetime) -> None:
        """Apply a webhook's changes unless it, or a later one of its kind (`stamp`), was applied before.

        What the row has already, from a sync or from this very webhook, is told or to be told: no second event.
        """
        query = {
            "_id": row["_id"], "tenant": row["tenant"],
            "$or": [{f"heard.{stamp}": {"$lte": at}}, {f"heard.{stamp}": {"$exists": False}}],
        }  # fmt: skip
        fields: Document = {f"heard.{stamp}": at}
        if any(row.get(name) != value for name, value in changes.items()):
            untold = "removed" if changes.get("removed") else "changed"
            fields |= changes | {"changed_at": now, "untold": untold}
        with outages():
            await self._mongo.collection(TEMPLATES).update_one(query, {"$set": fields})

    async def untold(self) -> list[Document]:
        """Return templates whose change is not told yet."""
        with outages():
            rows: list[Document] = (
                await self._mongo.collection(TEMPLATES).find({"untold": {"$exists": True}}).to_list(MOST_UNTOLD)
            )
        return rows

    async def told(self, rows: Sequence[Document]) -> None:
        """Note that these changes are told, unless there was a further one."""
        updates = [
            UpdateOne({"_id": row["_id"], "changed_at": row["changed_at"]}, {"$unset": {"untold": ""}}) for row in rows
        ]
        if updates:
            with outages():
                await self._mongo.collection(TEMPLATES).bulk_write(updates, ordered=False)

    async def page(self, tenant: str, wanted: Document, limit: int, after: str | None, reach: Reach) -> list[Document]:
        """Return a tenant's templates as far as they are reached, newest first; `wanted` holds exact values."""
        query = {"tenant": tenant, "removed": False} | wanted | ({"_id": {"$lt": after}} if after else {})
        with outages():
            cursor = (
                self._mongo.collection(TEMPLATES).find(reach.by_account(query)).sort("_id", DESCENDING).limit(limit)
            )
            rows: list[Document] = await cursor.to_list(None)
        return rows

    async def get(self, tenant: str, template_id: str) -> Document | None:
        """Return one template."""
        with outages():
            row: Document | None = await self._mongo.collection(TEMPLATES).find_one(
                {"_id": template_id, "tenant": tenant, "removed": False}
            )
        return row


def _natural_key(tenant: str, waba_id: str, fields: Document) -> Document:
    return {"tenant": tenant, "waba_id": waba_id, "name": fields["name"], "language": fields["language"]}


def _fresh(fields: Document, now: datetime) -> Document:
    return {
        "$set": fields | {"untold": "added", "changed_at": now, "removed": False, "announced_category": None},
        "$setOnInsert": {"_id": new_id(), "created_at": now},
    }


class JobStore:
    """Sync jobs: what was asked, how far it is, what it found."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def open(self, job_id: str, tenant: str, waba_ids: Sequence[str], now: datetime) -> Document:
        """Make a job, or return the one that is there."""
        fresh = {
            "tenant": tenant, "state": "queued", "created_at": now, "tries": 0, "added": 0, "changed": 0, "removed": 0,
            "waba_ids": list(waba_ids), "left": list(waba_ids), "errors": [],
        }  # fmt: skip
        with outages():
            job: Document = await self._mongo.collection(JOBS).find_one_and_update(
                {"_id": job_id}, {"$setOnInsert": fresh}, upsert=True, return_document=ReturnDocument.AFTER
            )
        return job

    async def get(self, tenant: str, job_id: str) -> Document | None:
        """Return one job."""
        with outages():
            job: Document | None = await self._mongo.collection(JOBS).find_one({"_id": job_id, "tenant": tenant})
        return job

    async def begin(self, job_id: str) -> None:
        """Note that the job runs."""
        with outages():
            await self._mongo.collection(JOBS).update_one({"_id": job_id}, {"$set": {"state": "running"}})

    async def finish(
        self, job_id: str, waba_id: str, counts: dict[str, int], error: Document | None, now: datetime
    ) -> None:
        """Count one account's outcome once; the job is done when none is left."""
        update: Document = {"$inc": counts, "$pull": {"left": waba_id}}
        if error is not None:
            update["$push"] = {"errors": error}
        with outages():
            jobs = self._mongo.collection(JOBS)
            job = await jobs.find_one_and_update(
                {"_id": job_id, "left": waba_id}, update, return_document=ReturnDocument.AFTER
            )
            if job is not None and not job["left"]:
                state = "failed" if job["errors"] else "done"
                await jobs.update_one({"_id": job_id}, {"$set": {"state": state, "finished_at": now}})

    async def put_off(self, job_id: str, next_tries: Sequence[datetime]) -> bool:
        """Put a job off because Meta did not answer, each time further; -> False when there is no further try."""
        with outages():
            jobs = self._mongo.collection(JOBS)
            job = await jobs.find_one_and_update(
                {"_id": job_id}, {"$inc": {"tries": 1}}, return_document=ReturnDocument.AFTER
            )
            if job is None or job["tries"] > len(next_tries):
                return False
            at = next_tries[job["tries"] - 1]
            await jobs.update_one({"_id": job_id}, {"$set": {"state": "retrying", "next_try": at}})
        return True

    async def to_retry(self, now: datetime) -> list[Document]:
        """Return jobs whose next try has come."""
        with outages():
            rows: list[Document] = (
                await self._mongo.collection(JOBS).find({"state": "retrying", "next_try": {"$lt": now}}).to_list(100)
            )
        return rows
