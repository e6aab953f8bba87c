"""Whether webhooks flow: what the tracker has applied, and when a number and an app were last heard of.

The sender asks this before it sends a message of unknown outcome once more: not having heard of it means something
only when everything that came in was applied, and something did come in.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from pymongo import UpdateOne

from libs.mongo.client import Mongo, outages

FLOW = "webhook_flow"


class Flow:
    """One small document per partition of the webhook topic, and one per number."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def note(self, applied: Mapping[int, datetime], heard: Mapping[str, datetime]) -> None:
        """Note up to when each partition is applied, and when each number's last status came in."""
        updates = [
            UpdateOne({"_id": f"partition:{partition}"}, {"$max": {"applied_until": until}}, upsert=True)
            for partition, until in applied.items()
        ]
        updates += [
            UpdateOne({"_id": f"number:{number}"}, {"$max": {"heard_at": at}}, upsert=True)
            for number, at in heard.items()
        ]
        if updates:
            with outages():
                await self._mongo.collection(FLOW).bulk_write(updates, ordered=False)

    async def applied_until(self, partitions: int) -> datetime | None:
        """Return the time up to which every partition is applied; None when one was never noted."""
        with outages():
            rows = await self._mongo.collection(FLOW).find({"_id": {"$regex": "^partition:"}}).to_list(None)
        return min((row["applied_until"] for row in rows), default=None) if len(rows) >= partitions else None

    async def heard(self, numbers: Iterable[str]) -> dict[str, datetime]:
        """Return when each of these numbers was last heard of (a status that Meta sent about it)."""
        with outages():
            rows = (
                await self._mongo.collection(FLOW)
                .find({"_id": {"$in": [f"number:{number}" for number in numbers]}})
                .to_list(None)
            )
        return {row["_id"].removeprefix("number:"): row["heard_at"] for row in rows}

    async def heard_at_all(self) -> datetime | None:
        """Return when any number of ours was last heard of."""
        with outages():
            row = await self._mongo.collection(FLOW).find_one({"_id": {"$regex": "^number:"}}, sort=[("heard_at", -1)])
        return row["heard_at"] if row else None
