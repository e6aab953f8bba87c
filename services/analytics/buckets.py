"""Time as sums know it: a day of UTC and the quarter of an hour in it.

Every time zone of today is whole quarters of an hour away from UTC, so that sums of quarters give any zone's days.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple

QUARTER = timedelta(minutes=15)
DAY = timedelta(days=1)
QUARTERS = DAY // QUARTER


class Bucket(NamedTuple):
    """A quarter of an hour: the midnight of its day in UTC, and 0 to 95."""

    day: datetime
    quarter: int


@lru_cache(maxsize=4_096)  # Meta's times are whole seconds: many statuses share one
def bucket_of(moment: datetime) -> Bucket:
    """Return the quarter of an hour that a time is in."""
    moment = moment.astimezone(UTC)
    return Bucket(datetime.combine(moment.date(), time(), UTC), (moment.hour * 60 + moment.minute) // 15)


def floor(moment: datetime) -> datetime:
    """Return the beginning of the quarter of an hour that a time is in."""
    day, quarter = bucket_of(moment)
    return day + quarter * QUARTER


def ceiling(moment: datetime) -> datetime:
    """Return the first beginning of a quarter of an hour at or after a time."""
    begun = floor(moment)
    return begun if begun == moment else begun + QUARTER


class Slice(NamedTuple):
    """What a span of time covers of one day: quarters from `first` up to, without it, `end`."""

    day: datetime
    first: int
    end: int

    @property
    def whole(self) -> bool:
        """Whether it is the whole day."""
        return (self.first, self.end) == (0, QUARTERS)


def slices(start: datetime, end: datetime) -> Iterator[Slice]:
    """Return the days that a span touches; both ends are beginnings of quarters."""
    day = bucket_of(start).day
    while day < end:
        first = max((start - day) // QUARTER, 0)
        last = min((end - day) // QUARTER, QUARTERS)
        if first < last:
            yield Slice(day, first, last)
        day += DAY
