"""Pricing messages anew by the cards and rules of today: where that gives another price, a further line replaces the
one that stands. Lines are never edited, and sums follow them.
"""

from datetime import datetime

from libs.mongo.client import Mongo, Session
from services.analytics.books import Books, Change
from services.analytics.history_store import HistoryStore
from services.analytics.layer_store import LayerStore
from services.analytics.stages import stages_of
from services.analytics.sums_store import SumsStore

CHUNK = 500  # messages looked at in one transaction


class Repricing:
    """Goes through the history; where that is gone, lines stay. Doing it again changes nothing more."""

    def __init__(self, mongo: Mongo, history: HistoryStore, sums: SumsStore, layers: LayerStore, books: Books) -> None:
        self._mongo = mongo
        self._history = history
        self._sums = sums
        self._layers = layers
        self._books = books

    async def run(self, start: datetime, end: datetime, chunk: int = CHUNK) -> int:
        """Price anew what was delivered from a time to another; -> how many lines that made."""
        made, after = 0, ""
        while True:
            ids, lines = await self._price(start, end, after, chunk)
            made += lines
            if len(ids) < chunk:
                return made
            after = ids[-1]

    async def _price(self, start: datetime, end: datetime, after: str, chunk: int) -> tuple[list[str], int]:
        async def unit(session: Session) -> tuple[list[str], int]:
            await self._sums.enter_all(session)
            layers = await self._layers.now(session)
            ids = await self._history.next_messages(session, after, chunk)
            changes = []
            for rows in (await self._history.of_messages(session, ids)).values():
                delivered = stages_of(rows).get("delivered")
                if delivered is not None and start <= delivered < end:
                    changes.append(Change(rows, rows, again=True))
            return ids, len((await self._books.enter(session, layers, changes)).lines)

        return await self._mongo.transaction(unit)
