"""When each key was last used: noted in memory, written now and then, lost without harm."""

import asyncio
import contextlib

from libs.runtime.clock import Clock
from libs.runtime.errors import Outage
from services.edge.key_store import KeyStore

EVERY = 15.0  # seconds between two writes


class LastUsed:
    """A part that writes the last use of keys every few seconds."""

    def __init__(self, store: KeyStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._used: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def note(self, key_id: str) -> None:
        """Note that the key was used now."""
        self._used.add(key_id)

    async def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Write what is noted, and end."""
        if self._task is not None:
            self._task.cancel()
        await self._write()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            await self._write()

    async def _write(self) -> None:
        used, self._used = self._used, set()
        if used:
            with contextlib.suppress(Outage):
                await self._store.used(used, self._clock.now())
