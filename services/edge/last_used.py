"""When each key was last used: noted in memory, written now and then, lost without harm."""

import contextlib
from datetime import timedelta

from libs.runtime.clock import Clock
from libs.runtime.errors import Outage
from libs.runtime.periodic import Periodic
from services.edge.key_store import KeyStore


class LastUsed(Periodic):
    """A part that writes the last use of keys every few seconds."""

    def __init__(self, store: KeyStore, clock: Clock, every: timedelta) -> None:
        super().__init__(every.total_seconds(), at_once=False)
        self._store = store
        self._clock = clock
        self._used: set[str] = set()

    def note(self, key_id: str) -> None:
        """Note that the key was used now."""
        self._used.add(key_id)

    async def stop(self) -> None:
        """Write what is noted, and end."""
        await super().stop()
        with contextlib.suppress(Outage):
            await self._round()

    async def _round(self) -> None:
        used, self._used = self._used, set()
        if used:
            await self._store.used(used, self._clock.now())
