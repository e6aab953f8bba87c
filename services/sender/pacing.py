"""How fast a number may send: one token bucket for both lanes, replies first.

The rate is Meta's for the number. A new owner starts with an empty bucket; a throttle (130429) halves the rate, which
recovers by 5% of the full one a second. Campaigns get what replies leave, and at most 80% while replies are in use.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from functools import partial

from libs.events.messages import Lane
from libs.kafka.errors import LetGo
from libs.runtime.clock import Clock
from services.sender.gate import Gate
from services.sender.metrics import (
    NUMBER_OUTCOME_NAMES,
    NUMBER_OUTCOMES,
    NUMBER_RATE,
    NUMBER_THROUGHPUT,
    NUMBER_WAITING,
)

BURST = 0.05  # seconds of the rate that may pile up: Meta counts by the second, so bursts must stay small
MARGIN = 0.98  # of Meta's rate: clocks differ, and the network bunches what we spread
RECOVERY = 0.05  # of the full rate, per second, after a throttle
LEAST = 0.02  # of the full rate: even a number throttled again and again keeps trying
BULK_SHARE = 0.8  # of the rate for campaigns while replies are in use
IN_USE = 2.0  # seconds after its last message that a lane counts as in use
TICK = 0.005  # seconds: releases closer together than this go in one go


class Parked(Exception):
    """The wait would be too long to hold a place in the lane: come back after `delay` seconds."""

    def __init__(self, delay: float) -> None:
        super().__init__(f"wait of {delay:.1f} s")
        self.delay = delay


@dataclass(slots=True)
class NumberPacer:
    """The bucket of one number, with those who wait for a slot."""

    rate: float
    clock: Clock
    share: int
    level: float = 0.0
    bulk_level: float = 0.0
    slow: float = 1.0
    at: float = 0.0
    reply_at: float = -1e9
    waiting: dict[Lane, deque[asyncio.Future[None]]] = field(
        default_factory=lambda: {Lane.INTERACTIVE: deque(), Lane.BULK: deque()}
    )
    timer: asyncio.TimerHandle | None = None
    gate: Gate = field(init=False)

    def __post_init__(self) -> None:
        self.at = self.clock.monotonic()
        self.gate = Gate(self.clock, lambda: self.rate * self.slow)

    @property
    def current(self) -> float:
        """Messages per second at this moment."""
        return self.rate * MARGIN * self.slow

    def current_now(self) -> float:
        """Messages per second, with what has recovered since the last slot."""
        self._refill()
        return self.current

    async def slot(self, lane: Lane, most: float) -> None:
        """Wait for a slot; raises Parked where it would take longer than `most` seconds or too many wait already."""
        ahead = len(self.waiting[Lane.INTERACTIVE]) + (len(self.waiting[Lane.BULK]) if lane is Lane.BULK else 0)
        delay = ahead / self.current
        if delay > most or ahead >= self.share:
            raise Parked(max(delay, 1.0))
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting[lane].append(future)
        self._pump()
        await future

    def throttled(self) -> None:
        """Meta said that the number is too fast: halve the rate."""
        self._refill()
        self.slow = max(self.slow / 2, LEAST)
        self.level = min(self.level, 0.0)

    def let_go(self) -> None:
        """Send everybody who waits away, and empty the bucket."""
        for queue in self.waiting.values():
            while queue:
                future = queue.popleft()
                if not future.done():
                    future.set_exception(LetGo())
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        self.level = self.bulk_level = 0.0
        self.at = self.clock.monotonic()

    def _refill(self) -> None:
        now = self.clock.monotonic()
        passed, self.at = now - self.at, now
        self.slow = min(1.0, self.slow + RECOVERY * passed)
        burst = max(1.0, self.current * BURST)
        self.level = min(burst, self.level + passed * self.current)
        self.bulk_level = min(burst, self.bulk_level + passed * self.current * self._bulk_share(now))

    def _bulk_share(self, now: float) -> float:
        return BULK_SHARE if now - self.reply_at < IN_USE else 1.0

    def _pump(self) -> None:
        self._refill()
        replies, bulk = self.waiting[Lane.INTERACTIVE], self.waiting[Lane.BULK]
        while self.level >= 1 and (replies or (bulk and self.bulk_level >= 1)):
            lane = Lane.INTERACTIVE if replies else Lane.BULK
            future = self.waiting[lane].popleft()
            if future.done():
                continue
            self.level -= 1
            if lane is Lane.BULK:
                self.bulk_level -= 1
            else:
                self.reply_at = self.at
            future.set_result(None)
        if (replies or bulk) and self.timer is None:
            missing = max(1 - self.level, 0 if replies else 1 - self.bulk_level, 0)
            delay = max(missing / self.current, TICK)
            self.timer = asyncio.get_running_loop().call_later(delay, self._tick)

    def _tick(self) -> None:
        self.timer = None
        self._pump()


class Pacers:
    """The buckets of all numbers this sender owns."""

    def __init__(self, clock: Clock, window: int) -> None:
        self._clock = clock
        # A number's fair share of the engine's window: one slow number never fills it.
        self._share = max(window // 4, 1)
        self._pacers: dict[str, NumberPacer] = {}

    def of(self, phone_number_id: str, rate: int) -> NumberPacer:
        """Return the number's bucket, at the rate that Meta reports now."""
        pacer = self._pacers.get(phone_number_id)
        if pacer is None:
            pacer = self._pacers[phone_number_id] = NumberPacer(float(rate), self._clock, self._share)
            _show(phone_number_id, pacer)
        pacer.rate = float(rate)
        return pacer

    def let_go(self) -> None:
        """Partitions moved: nobody waits on, and every bucket starts empty."""
        for pacer in self._pacers.values():
            pacer.let_go()
        self._pacers.clear()
        for gauge in (NUMBER_RATE, NUMBER_THROUGHPUT, NUMBER_WAITING):
            gauge.clear()


def _show(phone_number_id: str, pacer: NumberPacer) -> None:
    """Have a number's gauges read its bucket whenever somebody asks for them, and its counters begin at 0."""
    for outcome in NUMBER_OUTCOME_NAMES:
        NUMBER_OUTCOMES.labels(phone_number_id, outcome)
    NUMBER_RATE.labels(phone_number_id).set_function(pacer.current_now)
    NUMBER_THROUGHPUT.labels(phone_number_id).set_function(lambda: pacer.rate)
    for lane, waiting in pacer.waiting.items():
        NUMBER_WAITING.labels(phone_number_id, lane.value).set_function(partial(len, waiting))
