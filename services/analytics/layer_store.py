"""Layers of sums: the one that is read, and while all is counted anew the one that will be read next.

The next layer is filled in the order of ids. What is counted meanwhile is added to it as well where counting anew has
passed it already, and left to be found where it has not. Counting anew begins and goes on in units of work on all
partitions (`SumsStore.enter_all`): of two units which do not see each other one is done again.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo.errors import DuplicateKeyError

from libs.mongo.client import Mongo, Session, outages

STATE, SUMS_STATE = "analytics_state", "sums"
FIRST = 1
ALL = "~"  # sorts after every id

Document = dict[str, Any]


class Overtaken(Exception):
    """Somebody else counts anew, and was faster."""


@dataclass(frozen=True, slots=True)
class Layers:
    """Which layer is read, which one is filled, up to which ids that one is, and since when there is all of the
    history (None: nothing was ever forgotten).
    """

    current: int = FIRST
    next: int | None = None
    messages_to: str = ""
    inbound_to: str = ""
    forgotten_before: datetime | None = None

    def holds(self, message_id: str) -> bool:
        """Tell whether the next layer has counted this message of ours."""
        return self.next is not None and message_id <= self.messages_to

    def holds_inbound(self, message_id: str) -> bool:
        """Tell whether the next layer has counted this inbound message."""
        return self.next is not None and message_id <= self.inbound_to


class LayerStore:
    """Says and moves how far the layers are. All raise MongoUnavailable."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def now(self, session: Session | None = None) -> Layers:
        """Return how the layers are."""
        with outages():
            row = await self._mongo.collection(STATE).find_one({"_id": SUMS_STATE}, session=session)
        return _layers(row)

    async def current(self) -> int:
        """Return the layer that is read."""
        return (await self.now()).current

    async def enter(self, session: Session, *, is_new: bool) -> Layers:
        """Within a unit of work on partitions: return the layers, which stay as they are until it ends.

        Who counts anew cannot know of a partition `is_new`: so the unit that makes it is one on the layers, too.
        """
        if is_new:
            await self._mongo.collection(STATE).update_one(
                {"_id": SUMS_STATE}, {"$inc": {"units": 1}, "$setOnInsert": {"current": FIRST}}, upsert=True,
                session=session,
            )  # fmt: skip
        return await self.now(session)

    async def begin(self, session: Session) -> Layers:
        """Within a unit of work on everything: begin to fill the next layer, or go on; -> how far it is."""
        found = await self.now(session)
        if found.next is None:
            fields = {"current": found.current, "next": found.current + 1, "messages_to": "", "inbound_to": ""}
            await self._mongo.collection(STATE).update_one(
                {"_id": SUMS_STATE}, {"$set": fields}, upsert=True, session=session
            )
        return await self.now(session)

    async def move(self, session: Session, into: int, place: str, after: str, upto: str) -> None:
        """Within a unit of work on everything: say how far the next layer is filled (`place`: which of its ids).

        Raises Overtaken where it is not `after` which it is filled, or not the next layer.
        """
        done = await self._mongo.collection(STATE).update_one(
            {"_id": SUMS_STATE, "next": into, place: after}, {"$set": {place: upto}}, session=session
        )
        if not done.matched_count:
            raise Overtaken

    async def change_over(self, session: Session, to: int) -> None:
        """Within a unit of work on everything: read the next layer from now on. Raises Overtaken."""
        done = await self._mongo.collection(STATE).update_one(
            {"_id": SUMS_STATE, "next": to}, {"$set": {"current": to}, "$unset": {"next": ""}}, session=session
        )
        if not done.matched_count:
            raise Overtaken

    async def forgetting(self, before: datetime) -> bool:
        """Say that the history from before a time will be gone; -> False while it is being counted anew."""
        try:
            with outages():
                await self._mongo.collection(STATE).update_one(
                    {"_id": SUMS_STATE, "next": {"$exists": False}},
                    {"$max": {"forgotten_before": before}, "$setOnInsert": {"current": FIRST}}, upsert=True,
                )  # fmt: skip
        except DuplicateKeyError:  # it is there, with a next layer
            return False
        return True


def _layers(row: Document | None) -> Layers:
    if row is None:
        return Layers()
    return Layers(
        row["current"], row.get("next"), row.get("messages_to", ""), row.get("inbound_to", ""),
        row.get("forgotten_before"),
    )  # fmt: skip
