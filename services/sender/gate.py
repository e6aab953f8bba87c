"""The last thing before the wire: attempts of one number go out one after the other, however late they come.

A slot (`pacing`) says whose turn it is; between slot and POST lies the claim, and where it takes long, many that had
their slots one by one come at once. Meta counts what arrives, so what leaves is spread once more.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from libs.events.messages import Lane
from libs.runtime.clock import Clock

BURST = 0.04  # seconds of the rate that may leave at once: a busy process wakes up late
TICK = 0.005  # seconds: attempts closer together than this leave in one go


class Gate:
    """A token bucket at the rate that Meta allows; slots come a little slower, so that it empties after a stall."""

    def __init__(self, clock: Clock, rate: Callable[[], float]) -> None:
        self._clock = clock
        self._rate = rate
        self._level = 0.0
        self._at = clock.monotonic()
        self._waiting: dict[Lane, deque[asyncio.Future[None]]] = {lane: deque() for lane in Lane}
        self._timer: asyncio.TimerHandle | None = None

    async def pass_through(self, lane: Lane) -> None:
        """Wait until an attempt may leave, replies first."""
        self._refill()
        if self._level >= 1 and not any(self._waiting.values()):
            self._level -= 1
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[lane].append(future)
        self._set_timer()
        await future

    def _refill(self) -> None:
        now, rate = self._clock.monotonic(), self._rate()
        self._level = min(max(1.0, rate * BURST), self._level + (now - self._at) * rate)
        self._at = now

    def _open(self) -> None:
        self._timer = None
        self._refill()
        for lane in (Lane.INTERACTIVE, Lane.BULK):
            queue = self._waiting[lane]
            while queue and self._level >= 1:
                future = queue.popleft()
                if not future.done():
                    self._level -= 1
                    future.set_result(None)
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is None and any(self._waiting.values()):
            delay = max((1 - self._level) / self._rate(), TICK)
            self._timer = asyncio.get_running_loop().call_later(delay, self._open)
