"""Noting, every second, up to when webhooks are applied: the sender's evidence that silence means something."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

from libs.kafka.record import Partition
from libs.ledger.flow import Flow
from libs.runtime.clock import Clock
from libs.runtime.errors import Outage
from services.tracker.metrics import LAG

Lags = Callable[[], Awaitable[Mapping[Partition, int]]]


class FlowNotes:
    """A part: notes the partitions that are applied to their end, and the numbers that were heard of."""

    def __init__(self, flow: Flow, clock: Clock, every: timedelta) -> None:
        self._flow = flow
        self._clock = clock
        self._every = every.total_seconds()
        self._heard: dict[str, datetime] = {}
        self._lags: Lags | None = None
        self._task: asyncio.Task[None] | None = None

    def watch(self, lags: Lags) -> None:
        """Say how to ask for (topic, partition) -> records that are not applied yet (0 is caught up)."""
        self._lags = lags

    def heard(self, numbers: Mapping[str, datetime]) -> None:
        """Note that statuses of these numbers came in."""
        self._heard.update(numbers)

    async def start(self) -> None:
        """Begin to note."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(Outage):
                await self._note()
            await asyncio.sleep(self._every)

    async def _note(self) -> None:
        # The time before asking: what comes in while we ask is not counted as applied.
        now = self._clock.now()
        lags = await self._lags() if self._lags is not None else {}
        LAG.set(sum(lags.values()))
        heard, self._heard = self._heard, {}
        await self._flow.note({partition: now for (_, partition), lag in lags.items() if lag == 0}, heard)
