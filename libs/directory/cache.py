"""A cache of single entries: kept for a few seconds, forgotten at once when an event says so."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from libs.runtime.clock import Clock

V = TypeVar("V")

KEPT = 5.0  # seconds: a revoked key or token is dead everywhere by then, even where no event arrives
MOST = 20_000  # entries; past that the oldest go (unknown ids are entries too, so that guessing costs no look-ups)


class EntryCache(Generic[V]):
    """Loads an entry once for all who ask at the same time, and keeps it (or its absence) for `kept` seconds."""

    def __init__(self, load: Callable[[str], Awaitable[V]], clock: Clock, kept: float = KEPT) -> None:
        self._load = load
        self._clock = clock
        self._kept = kept
        self._entries: dict[str, tuple[float, V]] = {}
        self._loading: dict[str, asyncio.Task[V]] = {}

    def peek(self, key: str) -> V | None:
        """Return the entry if it is fresh: the way of nearly every call, without a task switch."""
        held = self._entries.get(key)
        return held[1] if held is not None and self._clock.monotonic() - held[0] < self._kept else None

    async def get(self, key: str) -> V:
        """Return the entry; raises what loading it raised (MongoUnavailable)."""
        held = self._entries.get(key)
        if held is not None and self._clock.monotonic() - held[0] < self._kept:
            return held[1]
        task = self._loading.get(key)
        if task is None:
            task = asyncio.create_task(self._fetch(key))
            self._loading[key] = task
        return await asyncio.shield(task)

    def forget(self, key: str) -> None:
        """Drop one entry; one that is just being loaded is not kept either."""
        self._entries.pop(key, None)
        self._loading.pop(key, None)

    def clear(self) -> None:
        """Drop all entries."""
        self._entries.clear()
        self._loading.clear()

    async def _fetch(self, key: str) -> V:
        asked = self._clock.monotonic()
        task = asyncio.current_task()
        try:
            value = await self._load(key)
        finally:
            current = self._loading.get(key) is task
            if current:
                del self._loading[key]
        if current:
            self._entries.pop(key, None)
            self._entries[key] = (asked, value)
            if len(self._entries) > MOST:
                del self._entries[next(iter(self._entries))]
        return value
