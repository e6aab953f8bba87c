"""Layers of sums: the one that is read, and while all is counted anew the one that will be read next.

The next layer is filled in the order of ids. What is counted meanwhile is added to it as well where counting anew has
passed it already, and left to be found where it has not. Both write the document that says how far that is, so that of
two transactions which do not see each other one is done again.
"""

from dataclasses import dataclass
from typing import Any

from libs.mongo.client import Mongo, Session, outages

STATE, SUMS_STATE = "analytics_state", "sums"
FIRST = 1
ALL = "~"  # sorts after every id

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Layers:
    """Which layer is read, which one is filled, and up to which ids that one is."""

    current: int = FIRST
    next: int | None = None
    messages_to: str = ""
    inbound_to: str = ""

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

    async def current(self) -> int:
        """Return the layer that is read."""
        with outages():
            row = await self._mongo.collection(STATE).find_one({"_id": SUMS_STATE})
        return _layers(row).current

    async def held(self, session: Session) -> Layers:
        """Within a unit of work: return the layers, which stay as they are until it ends."""
        row = await self._mongo.collection(STATE).find_one({"_id": SUMS_STATE}, session=session)
        found = _layers(row)
        if found.next is not None:
            await self._mongo.collection(STATE).update_one(
                {"_id": SUMS_STATE}, {"$inc": {"touched": 1}}, session=session
            )
        return found

    async def begin(self) -> Layers:
        """Begin to fill the next layer, or go on with one that was begun; -> how far it is."""
        with outages():
            row = await self._mongo.collection(STATE).find_one({"_id": SUMS_STATE})
            found = _layers(row)
            if found.next is None:
                fields = {"current": found.current, "next": found.current + 1, "messages_to": "", "inbound_to": ""}
                await self._mongo.collection(STATE).update_one({"_id": SUMS_STATE}, {"$set": fields}, upsert=True)
        return await self._now()

    async def move(self, session: Session, **places: str) -> None:
        """Within a unit of work: say how far the next layer is filled."""
        await self._mongo.collection(STATE).update_one({"_id": SUMS_STATE}, {"$set": places}, session=session)

    async def change_over(self, to: int) -> None:
        """Read the next layer from now on."""
        with outages():
            await self._mongo.collection(STATE).update_one(
                {"_id": SUMS_STATE, "next": to}, {"$set": {"current": to}, "$unset": {"next": ""}}
            )

    async def _now(self) -> Layers:
        with outages():
            return _layers(await self._mongo.collection(STATE).find_one({"_id": SUMS_STATE}))


def _layers(row: Document | None) -> Layers:
    if row is None:
        return Layers()
    return Layers(row["current"], row.get("next"), row.get("messages_to", ""), row.get("inbound_to", ""))
