"""A circuit breaker around the Graph API: while nothing gets through, one probe at a time instead of everybody."""

import asyncio

from libs.runtime.clock import Clock
from services.sender.metrics import CIRCUIT_OPEN

FAILURES = 20  # in a row without one answer, from whichever numbers: Graph is down, not one call
FIRST_PAUSE = 1.0  # seconds before the first probe, doubling
LONGEST_PAUSE = 15.0  # seconds: how late we may notice that Graph is back


class Circuit:
    """Counts attempts that got no answer; while it is open callers wait, unclaimed, and one probes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures = 0
        self._pause = FIRST_PAUSE
        self._probe_at = 0.0
        self._closed = asyncio.Event()
        self._closed.set()

    async def pass_through(self) -> None:
        """Return at once while the circuit is closed, else when it closes or this caller is the probe."""
        while not self._closed.is_set():
            wait = self._probe_at - self._clock.monotonic()
            if wait <= 0:
                self._probe_at = self._clock.monotonic() + self._pause
                return
            try:
                async with asyncio.timeout(wait):
                    await self._closed.wait()
            except TimeoutError:
                continue

    def answered(self) -> None:
        """Graph answered, with whatever."""
        self._failures = 0
        if not self._closed.is_set():
            self._closed.set()
            self._pause = FIRST_PAUSE
            CIRCUIT_OPEN.set(0)

    def failed(self) -> None:
        """An attempt got no answer."""
        self._failures += 1
        if self._failures < FAILURES:
            return
        if self._closed.is_set():
            self._closed.clear()
            CIRCUIT_OPEN.set(1)
        else:
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
        self._probe_at = self._clock.monotonic() + self._pause
