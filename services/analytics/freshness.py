"""Up to when everything is counted: each owner of a partition says so of its own."""

from datetime import timedelta
from typing import Protocol

from libs.kafka.record import Partition
from libs.runtime.clock import Clock
from libs.runtime.periodic import Periodic
from services.analytics import metrics
from services.analytics.sums_store import SumsStore


class Consumer(Protocol):
    """What is asked of the consumer."""

    async def places_now(self) -> dict[Partition, tuple[int, int]]:
        """Return where each owned partition ends now, and up to where it is finished."""
        ...


class Freshness(Periodic):
    """Notes, for partitions of which nothing waits, that they are counted up to now."""

    def __init__(self, consumer: Consumer, sums: SumsStore, clock: Clock, every: timedelta) -> None:
        super().__init__(every.total_seconds())
        self._consumer = consumer
        self._sums = sums
        self._clock = clock

    async def _round(self) -> None:
        asked = self._clock.now()
        places = await self._consumer.places_now()
        await self._sums.caught_up([it for it, (end, done) in places.items() if done >= end], asked)
        as_of = await self._sums.as_of()
        if as_of is not None:
            metrics.BEHIND.set(max((self._clock.now() - as_of).total_seconds(), 0.0))
