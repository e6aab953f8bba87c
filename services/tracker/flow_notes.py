"""Noting, every second, up to when webhooks are applied: the sender's evidence that silence means something."""

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

from libs.kafka.record import Partition
from libs.ledger.flow import Flow, Heard
from libs.runtime.clock import Clock
from libs.runtime.periodic import Periodic
from services.tracker.metrics import LAG

Places = Callable[[], Awaitable[Mapping[Partition, tuple[int, int]]]]

REMEMBERED = 900  # ends of a partition that are waited for: a quarter of an hour at one a second


class FlowNotes(Periodic):
    """A part: notes up to when partitions are applied, and the numbers that were heard of.

    A partition is applied up to a moment once all is done that it held at that moment. Under load it is never applied
    to its end, so the ends of moments past are remembered until they are reached.
    """

    def __init__(self, flow: Flow, clock: Clock, every: timedelta) -> None:
        super().__init__(every.total_seconds())
        self._flow = flow
        self._clock = clock
        self._heard: dict[Heard, datetime] = {}
        self._places: Places | None = None
        self._ends: dict[int, deque[tuple[datetime, int]]] = {}

    def watch(self, places: Places) -> None:
        """Say how to ask for (topic, partition) -> (where it ends now, up to where it is applied)."""
        self._places = places

    def heard(self, numbers: Mapping[Heard, datetime]) -> None:
        """Note up to when statuses of these numbers came in."""
        for number, at in numbers.items():
            self._heard[number] = max(at, self._heard.get(number, at))

    async def _round(self) -> None:
        # The time before asking: what comes in while we ask is not counted as applied.
        now = self._clock.now()
        places = await self._places() if self._places is not None else {}
        LAG.set(sum(max(end - position, 0) for end, position in places.values()))
        heard, self._heard = self._heard, {}
        await self._flow.note(self._applied(places, now), heard)

    def _applied(self, places: Mapping[Partition, tuple[int, int]], now: datetime) -> dict[int, datetime]:
        kept = self._ends
        self._ends = {partition: kept.get(partition, deque(maxlen=REMEMBERED)) for _, partition in places}
        applied: dict[int, datetime] = {}
        for (_, partition), (end, position) in places.items():
            ends = self._ends[partition]
            ends.append((now, end))
            while ends and ends[0][1] <= position:
                applied[partition] = ends.popleft()[0]
        return applied
