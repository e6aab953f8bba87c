"""Wake-ups for the sender: published right after the answer, in the order of the answers.

They may be lost (the sweeper brings back what stays due), so a queue that Kafka does not take is cut, never waited for.
"""

import asyncio
import contextlib
from collections import deque
from typing import Any

from libs.kafka.bus import Bus, BusUnavailable
from libs.kafka.events import outgoing
from libs.ledger.record import wake_up
from libs.runtime.clock import Clock
from services.edge.metrics import WAKE_UPS_DROPPED

QUEUE = 20_000  # wake-ups kept while the broker is slow: some 20 s of the fastest edge
GROUP = 500  # published at once
PAUSE = 0.04  # seconds between groups at most: under load a group of dozens costs what one does
PAUSE_EACH = 0.002  # seconds of it for each wake-up that a group had: few of them hardly wait for one another
PUBLISH_FOR = 5.0  # seconds: after that the sweeper is the surer way


class WakeUps:
    """A part: takes records that were stored and tells the sender that their conversations have work."""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._waiting: deque[dict[str, Any]] = deque(maxlen=QUEUE)
        self._more = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def add(self, document: dict[str, Any]) -> None:
        """Queue the wake-up of a stored record."""
        if len(self._waiting) == QUEUE:
            WAKE_UPS_DROPPED.inc()
        self._waiting.append(document)
        self._more.set()

    async def start(self) -> None:
        """Begin to publish."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Publish what is queued, as far as the broker takes it."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        while self._waiting and await self._publish():
            pass

    async def _run(self) -> None:
        while True:
            await self._more.wait()
            self._more.clear()
            while self._waiting:
                count = min(GROUP, len(self._waiting))
                await self._publish()
                await asyncio.sleep(min(PAUSE, count * PAUSE_EACH))

    async def _publish(self) -> bool:
        now = self._clock.now()
        documents = [self._waiting.popleft() for _ in range(min(GROUP, len(self._waiting)))]
        group = [outgoing(wake_up(document, source="edge", now=now)) for document in documents]
        try:
            await self._bus.publish_many(group, timeout=PUBLISH_FOR)
        except BusUnavailable:
            WAKE_UPS_DROPPED.inc(len(group))
            return False
        return True
