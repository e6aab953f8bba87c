"""Whether webhooks flow: what the tracker has applied, and when a number and an app were last heard of.

The sender asks this before it sends a message of unknown outcome once more: not having heard of it means something
only when everything that came in was applied, and something did come in.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from pymongo import UpdateOne

from libs.mongo.client import Mongo, outages

FLOW = "webhook_flow"
INTERRUPTED = "interrupted"  # the id of the document that says when webhooks were last turned away
DOOR = "door"  # the id of the document that says when an edge last stood ready to take webhooks


class Heard(NamedTuple):
    """A number that was heard of; `foreign` by the webhook of a tenant's own Meta app, which says nothing of ours."""

    phone_number_id: str
    foreign: bool = False

    @property
    def key(self) -> str:
        """Return the id of its document."""
        return f"{'foreign' if self.foreign else 'number'}:{self.phone_number_id}"


class Door(NamedTuple):
    """When an edge last stood ready to take webhooks, and until when they could last not be taken; None for never."""

    open_until: datetime | None
    interrupted_until: datetime | None


class Flow:
    """One small document per partition of the webhook topic, and one per number."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def note(self, applied: Mapping[int, datetime], heard: Mapping[Heard, datetime]) -> None:
        """Note up to when each partition is applied, and when each number's last status came in."""
        updates = [
            UpdateOne({"_id": f"partition:{partition}"}, {"$max": {"applied_until": until}}, upsert=True)
            for partition, until in applied.items()
        ]
        updates += [
            UpdateOne({"_id": number.key}, {"$max": {"heard_at": at}}, upsert=True) for number, at in heard.items()
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
        wanted = {Heard(number, foreign).key: number for number in numbers for foreign in (False, True)}
        with outages():
            rows = await self._mongo.collection(FLOW).find({"_id": {"$in": list(wanted)}}).to_list(None)
        found: dict[str, datetime] = {}
        for row in rows:
            number = wanted[row["_id"]]
            found[number] = max(row["heard_at"], found.get(number, row["heard_at"]))
        return found

    async def interrupted(self, at: datetime) -> None:
        """Note that webhooks could not be taken until then: what was turned away comes again later than the rest."""
        with outages():
            await self._mongo.collection(FLOW).update_one({"_id": INTERRUPTED}, {"$max": {"until": at}}, upsert=True)

    async def open(self, at: datetime) -> None:
        """Note that an edge stood ready to take webhooks then."""
        with outages():
            await self._mongo.hasty(FLOW).update_one({"_id": DOOR}, {"$max": {"at": at}}, upsert=True)

    async def door(self) -> Door:
        """Return when webhooks could last be taken, and when they could last not be."""
        with outages():
            rows = await self._mongo.collection(FLOW).find({"_id": {"$in": [INTERRUPTED, DOOR]}}).to_list(None)
        found = {row["_id"]: row for row in rows}
        return Door(found.get(DOOR, {}).get("at"), found.get(INTERRUPTED, {}).get("until"))

    async def heard_at_all(self) -> datetime | None:
        """Return when any number was last heard of through our own Meta app."""
        with outages():
            row = await self._mongo.collection(FLOW).find_one({"_id": {"$regex": "^number:"}}, sort=[("heard_at", -1)])
        return row["heard_at"] if row else None
