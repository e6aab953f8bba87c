"""Replies: which of our messages an inbound one answers.

The message that it names in its context; where it names none, the last one of its conversation. Either way no longer
than 24 hours before it. Counted once per message of ours.
"""

from datetime import timedelta
from typing import Any

from libs.mongo.client import Mongo, Session
from libs.runtime.clock import Clock
from libs.runtime.periodic import Periodic
from services.analytics import metrics
from services.analytics.counting import contribution
from services.analytics.history_store import HistoryStore
from services.analytics.layers import LayerStore
from services.analytics.stages import REPLIED
from services.analytics.sums_store import SumsStore

REPLY_WITHIN = timedelta(hours=24)  # the customer service window: who answers later begins something new
AT_ONCE = 200
NO_REPLY = "none"

Document = dict[str, Any]


class Replies(Periodic):
    """Settles open inbound messages, once the statuses that came before them are counted."""

    def __init__(
        self, mongo: Mongo, history: HistoryStore, sums: SumsStore, layers: LayerStore, clock: Clock, every: timedelta
    ) -> None:
        super().__init__(every.total_seconds())
        self._mongo = mongo
        self._history = history
        self._sums = sums
        self._layers = layers
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
        ours = await self._answered(inbound)

        async def unit(session: Session) -> bool:
            if not await self._history.settle(session, inbound["_id"], ours["message_id"] if ours else NO_REPLY):
                return False
            if ours is None:
                return False
            row = _marker(ours, inbound, self._clock)
            if await self._history.mark(session, row):
                layers = await self._layers.held(session)
                await self._sums.add(session, layers.current, contribution([row]))
                if layers.next is not None and layers.holds(row["message_id"]):
                    await self._sums.add(session, layers.next, contribution([row]))
            return True

        replied = await self._mongo.transaction(unit)
        metrics.REPLIES.labels("reply" if replied else "no_reply").inc()

    async def _answered(self, inbound: Document) -> Document | None:
        if (wamid := inbound.get("context_wamid")) is not None:
            named = await self._history.named(inbound["tenant"], wamid)
            if named is not None:
                return named if inbound["at"] <= named["at"] + REPLY_WITHIN else None
        return await self._history.last_before(inbound, REPLY_WITHIN)


def _marker(ours: Document, inbound: Document, clock: Clock) -> Document:
    kept = (
        "tenant", "message_id", "created_at", "phone_number_id", "conversation_id", "type", "category", "country",
        "template", "campaign_id",
    )  # fmt: skip
    return {name: ours.get(name) for name in kept} | {
        "_id": f"{ours['message_id']}:{REPLIED}", "status": REPLIED, "at": inbound["at"], "by": inbound["_id"],
        "topic": REPLIED, "partition": 0, "offset": 0, "stored_at": clock.now(),
    }  # fmt: skip
