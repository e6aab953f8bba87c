"""Replies: which of our messages an inbound one answers.

The message that it names in its context; where it names none, the last one of its conversation. Either way no longer
than 24 hours before it. Counted once per message of ours; one that is not named counts once it was delivered.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from libs.mongo.client import Mongo, Session
from libs.runtime.clock import Clock
from libs.runtime.periodic import Periodic
from services.analytics import metrics
from services.analytics.books import Books, Change
from services.analytics.history_store import HistoryStore
from services.analytics.layer_store import LayerStore
from services.analytics.stages import NAMED, REPLIED
from services.analytics.sums_store import SumsStore

REPLY_WITHIN = timedelta(hours=24)  # the customer service window: who answers later begins something new
AT_ONCE = 200
LONG_AGO = datetime.fromtimestamp(0, UTC)  # settling says nothing of up to when a partition is counted
NO_REPLY = "none"

Document = dict[str, Any]


class Replies(Periodic):
    """Settles open inbound messages, once the statuses that came before them are counted."""

    def __init__(
        self, mongo: Mongo, history: HistoryStore, sums: SumsStore, layers: LayerStore, books: Books, clock: Clock,
        every: timedelta,
    ) -> None:  # fmt: skip
        super().__init__(every.total_seconds())
        self._mongo = mongo
        self._history = history
        self._sums = sums
        self._layers = layers
        self._books = books
        self._clock = clock

    async def _round(self) -> None:
        counted_to = await self._sums.as_of()
        while counted_to is not None:
            rows = await self._history.open_replies(counted_to, AT_ONCE)
            for row in rows:
                await self._settle(row)
            if len(rows) < AT_ONCE:
                return

    async def _settle(self, inbound: Document) -> None:
        ours, named = await self._answered(inbound)

        async def unit(session: Session) -> bool:
            if ours is None:
                await self._history.settle(session, inbound["_id"], NO_REPLY)
                return False
            # The unit is one of the partition that our message is counted by: no status of it comes in between.
            place = {(ours["topic"], ours["partition"]): LONG_AGO}
            layers = await self._layers.enter(session, is_new=await self._sums.enter(session, place))
            if not await self._history.settle(session, inbound["_id"], ours["message_id"]):
                return False
            rows = (await self._history.of_messages(session, [ours["message_id"]]))[ours["message_id"]]
            if all(row["status"] != REPLIED for row in rows):
                marker = _marker(ours, inbound, named, self._clock)
                await self._history.add(session, [marker], [], [])
                await self._books.enter(session, layers, [Change(rows, [*rows, marker])])
            return True

        replied = await self._mongo.transaction(unit)
        metrics.REPLIES.labels("reply" if replied else "no_reply").inc()

    async def _answered(self, inbound: Document) -> tuple[Document | None, bool]:
        """Return the row of the message that is replied to, and whether it was named."""
        if (wamid := inbound.get("context_wamid")) is not None:
            named = await self._history.named(inbound["tenant"], wamid)
            if named is not None:
                return (named if inbound["at"] <= named["at"] + REPLY_WITHIN else None), True
        return await self._history.last_before(inbound, REPLY_WITHIN), False


def _marker(ours: Document, inbound: Document, named: bool, clock: Clock) -> Document:
    kept = (
        "tenant", "message_id", "created_at", "phone_number_id", "conversation_id", "type", "category", "country",
        "template", "campaign_id",
    )  # fmt: skip
    return {name: ours.get(name) for name in kept} | {
        "_id": f"{ours['message_id']}:{REPLIED}", "status": REPLIED, NAMED: named, "at": inbound["at"],
        "by": inbound["_id"], "stored_at": clock.now(),
    }  # fmt: skip
