"""Counting all of the history anew, while counting goes on: into the next layer of sums, which is read from then on.

Sums of days of which some history is gone are copied. Costs are those of the lines that stand: no line is made here.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from libs.mongo.client import Mongo, Session
from services.analytics.buckets import DAY, bucket_of
from services.analytics.counting import Sums, contribution, received
from services.analytics.history_store import HistoryStore
from services.analytics.layer_store import ALL, Layers, LayerStore
from services.analytics.line_store import LineStore
from services.analytics.sums_store import SumsStore

CHUNK = 500  # messages counted in one transaction
LATE = timedelta(days=31)  # statuses come for so long after their message was made: Meta's 30 days and one more


class FewerCounted(Exception):
    """Counting anew found less than is counted; the text says how much of what."""


class Rebuild:
    """Fills the next layer. It may die anywhere and be begun again: it goes on where it was."""

    def __init__(
        self, mongo: Mongo, history: HistoryStore, sums: SumsStore, lines: LineStore, layers: LayerStore
    ) -> None:  # fmt: skip
        self._mongo = mongo
        self._history = history
        self._sums = sums
        self._lines = lines
        self._layers = layers

    async def run(self, chunk: int = CHUNK, *, accept_fewer: bool = False) -> int:
        """Count anew what the history holds; -> how many messages that was.

        Raises Overtaken where somebody else does, and FewerCounted where less is found than was counted, unless that
        is accepted; then the sums that were there stay, and running again goes on from here.
        """
        layers = await self._mongo.transaction(self._begin)
        into, since = layers.next or layers.current, _since(layers.forgotten_before)
        await self._sums.drop_others([layers.current, into])
        if since is not None:
            await self._sums.copy(layers.current, into, since)
        counted, after = 0, layers.messages_to
        while after != ALL:
            after, count = await self._count(into, after, chunk, since)
            counted += count
        after = layers.inbound_to
        while after != ALL:
            after = await self._count_inbound(into, after, chunk, since)
        if not accept_fewer:
            await self._compare(layers.current, into)
        await self._mongo.transaction(lambda session: self._change_over(session, into))
        await self._sums.drop_others([into])
        return counted

    async def _begin(self, session: Session) -> Layers:
        await self._sums.enter_all(session)
        return await self._layers.begin(session)

    async def _change_over(self, session: Session, into: int) -> None:
        await self._sums.enter_all(session)
        await self._layers.change_over(session, into)

    async def _count(self, into: int, after: str, chunk: int, since: datetime | None) -> tuple[str, int]:
        async def unit(session: Session) -> tuple[str, int]:
            await self._sums.enter_all(session)
            ids = await self._history.next_messages(session, after, chunk)
            upto = ids[-1] if len(ids) == chunk else ALL
            await self._layers.move(session, into, "messages_to", after, upto)
            messages, lines = await self._history.of_messages(session, ids), await self._lines.standing(session, ids)
            sums = Sums()
            for message_id, rows in messages.items():
                sums.update(contribution(rows, lines.get(message_id)))
            await self._sums.add(session, into, _later(sums, since))
            return upto, len(ids)

        return await self._mongo.transaction(unit)

    async def _count_inbound(self, into: int, after: str, chunk: int, since: datetime | None) -> str:
        async def unit(session: Session) -> str:
            await self._sums.enter_all(session)
            ids = await self._history.next_inbound(session, after, chunk)
            upto = ids[-1] if len(ids) == chunk else ALL
            await self._layers.move(session, into, "inbound_to", after, upto)
            sums = Sums()
            for row in await self._history.inbound(session, ids):
                sums.update(received(row))
            await self._sums.add(session, into, _later(sums, since))
            return upto

        return await self._mongo.transaction(unit)

    async def _compare(self, old: int, new: int) -> None:
        """Compare what the layers count in all: the old one first, as what is counted meanwhile goes to both."""
        were, are = await self._sums.totals(old), await self._sums.totals(new)
        if fewer := {name: count for name, count in were.items() if are[name] < count}:
            raise FewerCounted(_words(fewer, are))


def _words(were: Mapping[str, int], are: Mapping[str, int]) -> str:
    return ", ".join(f"{are[name]} {name} instead of {count}" for name, count in were.items())


def _since(forgotten_before: datetime | None) -> datetime | None:
    """Return the first day that only messages counted in whose history is all there."""
    return None if forgotten_before is None else bucket_of(forgotten_before + LATE).day + DAY


def _later(sums: Sums, since: datetime | None) -> Sums:
    return sums if since is None else Sums({it: count for it, count in sums.items() if it[0].day >= since})
