"""Campaigns in MongoDB. Every change of status is a compare-and-set: of two callers one wins."""

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument
from pymongo.errors import DuplicateKeyError

from libs.directory.reach import Reach
from libs.mongo.client import Mongo, outages
from services.campaigns.errors import IdTaken
from services.campaigns.states import CampaignStatus

CAMPAIGNS = "campaigns"
INDEXES = {
    CAMPAIGNS: [
        IndexModel([("tenant", ASCENDING), ("_id", DESCENDING)], name="tenant"),
        # What the fan-out works on. Partial: most campaigns are over.
        IndexModel([("work", ASCENDING)], name="work", partialFilterExpression={"work": True}),
        # What is told of: those that run, and for a while those that ended.
        IndexModel([("tell_until", ASCENDING)], name="told", partialFilterExpression={"tell_until": {"$exists": True}}),
    ]
}
COMMANDS = 100  # of a campaign that are remembered: what comes again does so after a crash, not after days

Document = dict[str, Any]


class CampaignStore:
    """Reads and moves campaigns. `work` stands on those that the fan-out has something to do for."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def add(self, campaign: Document) -> None:
        """Insert a draft; raises IdTaken where there is a campaign with its id."""
        try:
            with outages():
                await self._mongo.collection(CAMPAIGNS).insert_one(campaign)
        except DuplicateKeyError:
            raise IdTaken("There is a campaign with this id.", param="campaign_id") from None

    async def get(self, tenant: str, campaign_id: str) -> Document | None:
        """Return a tenant's campaign."""
        with outages():
            found: Document | None = await self._mongo.collection(CAMPAIGNS).find_one(
                {"_id": campaign_id, "tenant": tenant}
            )
        return found

    async def all_of(self, tenant: str, step: int) -> AsyncIterator[list[Document]]:
        """Yield every campaign of a tenant, some at a time."""
        after = ""
        while True:
            with outages():
                cursor = self._mongo.collection(CAMPAIGNS).find({"tenant": tenant, "_id": {"$gt": after}})
                rows: list[Document] = await cursor.sort("_id", ASCENDING).limit(step).to_list(None)
            if not rows:
                return
            yield rows
            after = rows[-1]["_id"]

    async def page(self, tenant: str, wanted: Document, limit: int, after: str | None, reach: Reach) -> list[Document]:
        """Return a tenant's campaigns as far as they are reached, newest first; `wanted` holds exact values."""
        query = {"tenant": tenant} | wanted | ({"_id": {"$lt": after}} if after else {})
        with outages():
            cursor = self._mongo.collection(CAMPAIGNS).find(reach.by_number(query)).sort("_id", DESCENDING).limit(limit)
            rows: list[Document] = await cursor.to_list(None)
        return rows

    async def move(
        self, tenant: str, campaign_id: str, among: Collection[CampaignStatus], changes: Document
    ) -> Document | None:
        """Change a campaign that is in one of these states; -> it after that, None where it is in another."""
        return await self.move_where(tenant, campaign_id, among, {}, changes)

    async def move_where(
        self, tenant: str, campaign_id: str, among: Collection[CampaignStatus], wanted: Document, changes: Document
    ) -> Document | None:
        """Change a campaign that is in one of these states and as wanted beside; -> as `move`."""
        query = {"_id": campaign_id, "tenant": tenant, "status": {"$in": [status.value for status in among]}} | wanted
        counted = changes | {"$inc": changes.get("$inc", {}) | {"moves": 1}}  # tells two stays in one state apart
        with outages():
            found: Document | None = await self._mongo.collection(CAMPAIGNS).find_one_and_update(
                query, counted, return_document=ReturnDocument.AFTER
            )
        return found

    async def remove(self, tenant: str, campaign_id: str, among: Collection[CampaignStatus]) -> bool:
        """Delete a campaign that is in one of these states, with nothing to take back any more; -> whether it was."""
        query = {"_id": campaign_id, "tenant": tenant, "status": {"$in": [status.value for status in among]}}
        query["taking_back"] = {"$exists": False}
        with outages():
            done = await self._mongo.collection(CAMPAIGNS).delete_one(query)
        return bool(done.deleted_count)

    async def has_done(self, tenant: str, campaign_id: str, command_id: str) -> bool:
        """Tell whether a command was done with a campaign already."""
        query = {"_id": campaign_id, "tenant": tenant, "commands": command_id}
        with outages():
            return await self._mongo.collection(CAMPAIGNS).find_one(query, {"_id": 1}) is not None

    async def note_done(self, tenant: str, campaign_id: str, command_id: str) -> None:
        """Note that a command was done with a campaign; the last `COMMANDS` are known."""
        note = {"$push": {"commands": {"$each": [command_id], "$slice": -COMMANDS}}}
        with outages():
            await self._mongo.collection(CAMPAIGNS).update_one({"_id": campaign_id, "tenant": tenant}, note)

    async def at_work(self) -> Sequence[Document]:
        """Return the campaigns that the fan-out has something to do for, of all tenants, the oldest first."""
        with outages():
            rows: list[Document] = (
                await self._mongo.collection(CAMPAIGNS).find({"work": True}).sort("_id", ASCENDING).to_list(None)
            )
        return rows

    async def told_of(self, now: datetime, at_least: datetime | None) -> Sequence[Document]:
        """Return the campaigns that are told of now, or at least until then, of all tenants."""
        with outages():
            rows: list[Document] = (
                await self._mongo.collection(CAMPAIGNS).find({"tell_until": {"$gte": at_least or now}}).to_list(None)
            )
        return rows

    async def told(self, campaign: Document, said: str, until: datetime) -> None:
        """Note what was told of a campaign, and until when it is told of, unless somebody launched it meanwhile."""
        query = {"_id": campaign["_id"], "tell_until": campaign["tell_until"]}
        with outages():
            await self._mongo.collection(CAMPAIGNS).update_one(query, {"$set": {"told": said, "tell_until": until}})

    async def begin_scheduled(self, now: datetime) -> None:
        """Start the campaigns whose time has come."""
        with outages():
            await self._mongo.collection(CAMPAIGNS).update_many(
                {"work": True, "status": CampaignStatus.SCHEDULED.value, "scheduled_at": {"$lte": now}},
                {"$set": {"status": CampaignStatus.RUNNING.value}},
            )
