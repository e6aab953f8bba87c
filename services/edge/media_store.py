"""The files that tenants uploaded, in MongoDB: whose they are and which number's. Their bytes lie at Meta."""

from datetime import datetime
from typing import Any

from pymongo import ASCENDING, IndexModel

from libs.mongo.client import Mongo, outages

MEDIA = "media"
INDEXES = {MEDIA: [IndexModel([("expires_at", ASCENDING)], name="forget", expireAfterSeconds=7 * 24 * 3600)]}

Document = dict[str, Any]


class MediaStore:
    """One document per tenant and media id; it is forgotten a week after Meta has."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def add(self, tenant: str, media_id: str, facts: Document, now: datetime) -> None:
        """Note a file that was uploaded."""
        row = {"_id": f"{tenant}\x1f{media_id}", "tenant": tenant, "media_id": media_id, "created_at": now} | facts
        with outages():
            await self._mongo.collection(MEDIA).replace_one({"_id": row["_id"], "tenant": tenant}, row, upsert=True)

    async def get(self, tenant: str, media_id: str) -> Document | None:
        """Return what is known of a tenant's file."""
        with outages():
            row: Document | None = await self._mongo.collection(MEDIA).find_one(
                {"_id": f"{tenant}\x1f{media_id}", "tenant": tenant}
            )
        return row

    async def remove(self, tenant: str, media_id: str) -> None:
        """Forget a file."""
        with outages():
            await self._mongo.collection(MEDIA).delete_one({"_id": f"{tenant}\x1f{media_id}", "tenant": tenant})
