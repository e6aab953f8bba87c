"""The history of single messages is kept for a time; sums and cost lines for ever."""

from datetime import timedelta

import structlog

from libs.runtime.clock import Clock
from libs.runtime.periodic import Periodic
from services.analytics.history_store import HistoryStore
from services.analytics.layer_store import LayerStore

EVERY = timedelta(hours=1)

log = structlog.get_logger()


class Retention(Periodic):
    """Forgets rows that are older than they may be, and says so first: counting anew has to know what is gone.

    While that is under way nothing is forgotten. Several processes may do so at once.
    """

    def __init__(self, history: HistoryStore, layers: LayerStore, clock: Clock, kept: timedelta) -> None:
        super().__init__(EVERY.total_seconds())
        self._history = history
        self._layers = layers
        self._clock = clock
        self._kept = kept

    async def _round(self) -> None:
        before = self._clock.now() - self._kept
        if await self._layers.forgetting(before):
            await self._history.forget(before)
        else:
            log.warning("history_is_kept_while_it_is_counted_anew")
