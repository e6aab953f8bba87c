"""Time, injected: what needs the time takes a `Clock`, so that tests can hand in their own."""

import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol


class Clock(Protocol):
    """Wall time for what people and Meta read, monotonic time for durations."""

    def now(self) -> datetime:
        """Return the wall time, aware, in UTC, to the millisecond (what MongoDB keeps)."""
        ...

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def __init__(self) -> None:
        self._stamp = 0  # milliseconds since 1970 of the last answer: many calls of a busy loop share it
        self._now = datetime.fromtimestamp(0, UTC)

    def now(self) -> datetime:
        """Return the wall time in UTC, cut to the millisecond."""
        stamp = time.time_ns() // 1_000_000
        if stamp != self._stamp:
            self._stamp, self._now = stamp, milliseconds(datetime.now(UTC))
        return self._now

    def monotonic(self) -> float:
        """Return `time.monotonic()`."""
        return time.monotonic()


def milliseconds(moment: datetime) -> datetime:
    """Cut a time to the millisecond, the precision that MongoDB keeps."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@lru_cache(maxsize=1024)  # one moment is printed in a record, its answer and its events
def rfc3339(moment: datetime) -> str:
    """Print an aware time as RFC 3339 in UTC with milliseconds, for example `2026-11-23T09:30:00.125Z`."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds")[:-6] + "Z"
