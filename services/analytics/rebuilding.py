"""Counting all of the history anew, while counting goes on: into the next layer of sums, which is read from then on.

Sums of days of which the history is gone are copied. Cost lines and billing conversations stay as they are.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from libs.kafka.record import Partition
from libs.mongo.client import Mongo, Session
from libs.runtime.clock import Clock
from services.analytics import counting
from services.analytics.buckets import bucket_of
from services.analytics.charges import charge_of
from services.analytics.counting import Sums, contribution
from services.analytics.history_store import HistoryStore
from services.analytics.ingest import is_counted
from services.analytics.layers import ALL, LayerStore
from services.analytics.stages import REPLIED, Row
from services.analytics.sums_store import SumsStore

CHUNK = 500  # messages counted in one transaction
LATE = timedelta(days=31)  # statuses come for so long after their message was made: Meta's 30 days and one more


class Rebuild:
    """Fills the next layer. It may die anywhere and be begun again: it goes on where it was."""

    def __init__(self, mongo: Mongo, history: HistoryStore, sums: SumsStore, layers: LayerStore, clock: Clock) -> None:
        self._mongo = mongo
        self._history = history
        self._sums = sums
        self._layers = layers
        self._clock = clock

    async def run(self, kept: timedelta, chunk: int = CHUNK) -> int:
        """Count anew what the history of the time `kept` holds; -> how many messages that was."""
        layers = await self._layers.begin()
        into, since = layers.next or layers.current, bucket_of(self._clock.now() - kept + LATE).day
        await self._sums.copy(layers.current, into, since)
        counted, after = 0, layers.messages_to
        while after != ALL:
            after, count = await self._count(into, after, chunk, since)
            counted += count
        after = layers.inbound_to
        while after != ALL:
            after, count = await self._count_inbound(into, after, chunk, since)
            counted += count
        await self._layers.change_over(into)
        await self._sums.drop(layers.current)
        return counted

    async def _count(self, into: int, after: str, chunk: int, since: datetime) -> tuple[str, int]:
        async def unit(session: Session) -> tuple[str, int]:
            ids = await self._history.next_messages(session, after, chunk)
            upto = _upto(ids, chunk)
            await self._layers.move(session, messages_to=upto)
            messages = await self._history.of_messages(ids, session)
            offsets = await self._offsets(session, [row for rows in messages.values() for row in rows])
            opened = await self._sums.opened_by(session, ids)
            sums = Sums()
            for message_id, found in messages.items():
                rows = [row for row in found if is_counted(row, offsets)]
                sums.update(contribution(rows))
                charge = charge_of(rows)
                if message_id in opened and charge is not None and charge.opens:
                    sums.update(counting.opened(rows[0], charge))
            await self._sums.add(session, into, _since(sums, since))
            return upto, len(ids)

        return await self._mongo.transaction(unit)

    async def _count_inbound(self, into: int, after: str, chunk: int, since: datetime) -> tuple[str, int]:
        async def unit(session: Session) -> tuple[str, int]:
            ids = await self._history.next_inbound(session, after, chunk)
            upto = _upto(ids, chunk)
            await self._layers.move(session, inbound_to=upto)
            rows = await self._history.inbound(ids, session)
            offsets = await self._offsets(session, rows)
            sums = Sums()
            for row in rows:
                if is_counted(row, offsets):
                    sums.update(counting.received(row))
            await self._sums.add(session, into, _since(sums, since))
            return upto, len(ids)

        return await self._mongo.transaction(unit)

    async def _offsets(self, session: Session, rows: Sequence[Row]) -> dict[Partition, int]:
        places = {(row["topic"], row["partition"]) for row in rows if row["topic"] != REPLIED}
        return await self._sums.checkpoints(session, list(places))


def _upto(ids: Sequence[str], chunk: int) -> str:
    return ids[-1] if len(ids) == chunk else ALL


def _since(sums: Sums, day: datetime) -> Sums:
    return Sums({place: count for place, count in sums.items() if place[0].day >= day})
