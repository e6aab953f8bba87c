"""How late the event loop is: whatever blocks it delays every request, every record and every heartbeat."""

import asyncio

from prometheus_client import Histogram

EVERY = 0.5  # seconds between two looks: costs nothing, and a minute has enough of them for a share

DELAY = Histogram(
    "wabus_event_loop_delay_seconds",
    "How much later than it asked for a timer was called.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


class LoopWatch:
    """A part: asks to be called again and again, and notes how late that was."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Begin to look."""
        self._ask()

    async def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _ask(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(EVERY, self._called, loop.time() + EVERY)

    def _called(self, wanted: float) -> None:
        DELAY.observe(max(asyncio.get_running_loop().time() - wanted, 0.0))
        self._ask()
