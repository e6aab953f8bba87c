"""A lease: the time-limited right to be the only one who does a thing, compared on MongoDB's own clock."""

from datetime import timedelta

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from libs.mongo.client import Document, Mongo, outages

COLLECTION = "leases"


class Lease:
    """One named lease. Time is the server's (`$$NOW`), so clocks of two hosts are never compared."""

    def __init__(self, mongo: Mongo, name: str, owner: str, length: timedelta) -> None:
        self._mongo = mongo
        self._name = name
        self._owner = owner
        self._length = int(length.total_seconds() * 1000)

    async def hold(self) -> bool:
        """Take or renew the lease; -> whether it is ours until `length` from now."""
        try:
            with outages():
                document = await self._mongo.collection(COLLECTION).find_one_and_update(
                    {"_id": self._name}, self._take(), upsert=True, return_document=ReturnDocument.AFTER
                )
        except DuplicateKeyError:  # two made it at the same instant: the other one has it
            return False
        return bool(document and document["owner"] == self._owner)

    def _take(self) -> list[Document]:
        ours_or_over = {"$or": [{"$eq": ["$owner", self._owner]}, {"$lt": ["$until", "$$NOW"]}]}
        until = {"$dateAdd": {"startDate": "$$NOW", "unit": "millisecond", "amount": self._length}}
        return [
            {"$set": {"free": ours_or_over}},
            {
                "$set": {
                    "owner": {"$cond": ["$free", self._owner, "$owner"]},
                    "until": {"$cond": ["$free", until, "$until"]},
                }
            },
            {"$unset": "free"},
        ]

    async def release(self) -> None:
        """Give the lease up, if it is still ours."""
        with outages():
            await self._mongo.collection(COLLECTION).delete_one({"_id": self._name, "owner": self._owner})
