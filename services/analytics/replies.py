"""Replies: which of our messages an inbound one answers.

The message that it names in its context; where it names none, the last one of its conversation. Either way no longer
than 24 hours before it. Counted once per message of ours; one that is not named counts once it was delivered.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from libs.kafka.record import Partition
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
LONGEST_PAUSE = 0.1  # seconds between two partitions; as long as the one before took
LONG_AGO = datetime.fromtimestamp(0, UTC)  # settling says nothing of up to when a partition is counted
Document = dict[str, Any]


class _Reply(NamedTuple):
    """An inbound message, the row of the message of ours that it answers, and whether it names that one."""

    inbound: Document
    ours: Document
    named: bool


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
            rows = await self._history.open_replies(counted_to, REPLY_WITHIN, AT_ONCE)
            none, replies = list[str](), defaultdict[Partition, list[_Reply]](list)
            for row in rows:
                ours, named = await self._answered(row)
                if ours is None:
                    none.append(row["_id"])
                else:
                    replies[ours["topic"], ours["partition"]].append(_Reply(row, ours, named))
            await self._history.settle_as_none(none)
            metrics.REPLIES.labels("no_reply").inc(len(none))
            behind = len(rows) == AT_ONCE
            for place, found in replies.items():
                began = self._clock.monotonic()
                await self._settle(place, found)
                if not behind:  # nobody waits for it, and answers that somebody waits for want the same server
                    await asyncio.sleep(min(self._clock.monotonic() - began, LONGEST_PAUSE))
            if not behind:
                return

    async def _settle(self, place: Partition, replies: Sequence[_Reply]) -> None:
        """Settle replies to messages that are counted by one partition: no status of them comes in between."""

        async def unit(session: Session) -> int:
            layers = await self._layers.enter(session, is_new=await self._sums.enter(session, {place: LONG_AGO}))
            wanted = {reply.inbound["_id"]: reply.ours["message_id"] for reply in replies}
            settled = await self._history.settle(session, wanted)
            known = await self._history.of_messages(session, list(dict.fromkeys(wanted.values())))
            markers: dict[str, Document] = {}
            for reply in replies:
                message_id = reply.ours["message_id"]
                is_first = message_id not in markers and all(row["status"] != REPLIED for row in known[message_id])
                if reply.inbound["_id"] in settled and is_first:
                    markers[message_id] = _marker(reply, self._clock)
            if markers:
                await self._history.add(session, list(markers.values()), [], [])
                changes = [Change(known[it], [*known[it], marker]) for it, marker in markers.items()]
                await self._books.enter(session, layers, changes)
            return len(settled)

        metrics.REPLIES.labels("reply").inc(await self._mongo.transaction(unit))

    async def _answered(self, inbound: Document) -> tuple[Document | None, bool]:
        """Return the row of the message that is replied to, and whether it was named."""
        if (wamid := inbound.get("context_wamid")) is not None:
            named = await self._history.named(inbound["tenant"], wamid)
            if named is not None:
                return (named if inbound["at"] <= named["at"] + REPLY_WITHIN else None), True
        return next(iter(inbound["last"]), None), False


def _marker(reply: _Reply, clock: Clock) -> Document:
    kept = (
        "tenant", "message_id", "created_at", "phone_number_id", "conversation_id", "type", "category", "country",
        "template", "campaign_id",
    )  # fmt: skip
    return {name: reply.ours.get(name) for name in kept} | {
        "_id": f"{reply.ours['message_id']}:{REPLIED}", "status": REPLIED, NAMED: reply.named,
        "at": reply.inbound["at"], "by": reply.inbound["_id"], "stored_at": clock.now(),
    }  # fmt: skip
