"""The history of single messages is kept for a time; sums and cost lines for ever."""

from datetime import timedelta

from libs.runtime.clock import Clock
from libs.runtime.periodic import Periodic
from services.analytics.history_store import HistoryStore

EVERY = timedelta(hours=1)


class Retention(Periodic):
    """Forgets rows that are older than they may be. Several processes may do so at once."""

    def __init__(self, history: HistoryStore, clock: Clock, kept: timedelta) -> None:
        super().__init__(EVERY.total_seconds())
        self._history = history
        self._clock = clock
        self._kept = kept

    async def _round(self) -> None:
        await self._history.forget(self._clock.now() - self._kept)
