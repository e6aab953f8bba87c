"""The ceiling on dead letters: a bad deploy stops its consumer instead of draining the topic into the bin."""

from collections import deque
from dataclasses import dataclass

from libs.runtime.clock import Clock

MINUTE = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class Ceiling:
    """How many dead letters are still single poison records, and not a bug of ours.

    The share counts only from the tenth on, or the one bad record of a quiet topic would stop its consumer.
    """

    share: float = 0.2  # of the records finished within the last minute
    from_count: int = 10  # dead letters within the last minute below which the share says nothing
    per_minute: int = 100  # whatever the share: nobody reads more than that


class CeilingWatch:
    """Counts what was finished and what was buried within the last minute, in one-second steps."""

    def __init__(self, ceiling: Ceiling, clock: Clock) -> None:
        self._ceiling = ceiling
        self._clock = clock
        self._seconds: deque[list[int]] = deque()  # [second, finished, buried]
        self._finished = 0
        self._buried = 0

    def finished(self, count: int) -> None:
        """Count records that were handled without burying them."""
        self._now()[1] += count
        self._finished += count

    def buried(self, count: int = 1) -> None:
        """Count records that went to the dead-letter topic."""
        self._now()[2] += count
        self._buried += count

    def allows(self, more: int = 1) -> bool:
        """Tell whether so many further dead letters stay below the ceiling."""
        self._now()
        buried = self._buried + more
        if buried > self._ceiling.per_minute:
            return False
        return buried <= self._ceiling.from_count or buried <= self._ceiling.share * (self._finished + buried)

    def _now(self) -> list[int]:
        second = int(self._clock.monotonic())
        while self._seconds and self._seconds[0][0] <= second - MINUTE:
            _, finished, buried = self._seconds.popleft()
            self._finished -= finished
            self._buried -= buried
        if not self._seconds or self._seconds[-1][0] != second:
            self._seconds.append([second, 0, 0])
        return self._seconds[-1]
