"""When a campaign may write: its send window of the day, and the quiet hours of each recipient. Pure, no I/O."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import phonenumbers
from phonenumbers import PhoneNumber
from phonenumbers.timezone import UNKNOWN_TIMEZONE, time_zones_for_geographical_number, time_zones_for_number

from libs.ledger.recipients import is_user_id

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
NOWHERE = ("UTC",)  # where nobody knows the zone
STEPS = 32  # ends of quiet hours gone through to find a moment that is quiet in none of many zones
MINUTE = timedelta(minutes=1)


class Hours(NamedTuple):
    """A part of each day in local time; one whose end is before its beginning goes over midnight."""

    begin: time
    end: time

    def holds(self, local: datetime) -> bool:
        """Tell whether a local time is within."""
        now = local.time().replace(tzinfo=None)
        return self.begin <= now < self.end if self.begin < self.end else now >= self.begin or now < self.end

    def next_end(self, local: datetime) -> datetime:
        """Return the end that comes next after a local time."""
        return _next(local, self.end)


def opens_at(window: dict[str, Any] | None, now: datetime) -> datetime:
    """Return when a send window (`days`, `from`, `to`, `time_zone`) is open next: now where it is, or there is none.

    A window that goes over midnight belongs to the day that it begins on.
    """
    if window is None:
        return now
    zone, hours = ZoneInfo(window["time_zone"]), hours_of(window)
    local = now.astimezone(zone)
    began = local - timedelta(days=1) if hours.begin > hours.end and local.time() < hours.end else local
    if hours.holds(local) and DAYS[began.weekday()] in window["days"]:
        return now
    for _ in range(len(DAYS) + 1):
        local = _next(local, hours.begin)
        if DAYS[local.weekday()] in window["days"]:
            return local.astimezone(UTC)
    return now


def asleep(said: dict[str, Any] | None, rows: Sequence[Mapping[str, Any]], now: datetime) -> dict[str, datetime]:
    """Return who of these recipients must not be written to now, by the quiet hours where they live, and until when."""
    if said is None:
        return {}
    quiet = hours_of(said)
    moments = {row["_id"]: free_at(quiet, row["to"], now) for row in rows}
    return {row_id: moment for row_id, moment in moments.items() if moment > now}


def free_at(quiet: Hours, recipient: str, now: datetime) -> datetime:
    """Return when a person may be written to: now, or when it is quiet in none of the zones that they may be in.

    Where the zones of a country lie so far apart that there is no such moment, the first of them decides.
    """
    zones = zones_of(recipient)
    if not _quiet(quiet, zones, now.replace(second=0, microsecond=0)):
        return now
    return max(_free(quiet, zones, now.replace(second=0, microsecond=0)), now)


@lru_cache(maxsize=20_000)
def zones_of(recipient: str) -> tuple[str, ...]:
    """Return the time zones that a number, or a business-scoped id by its country, may be in."""
    if is_user_id(recipient):
        return _known(PhoneNumber(phonenumbers.country_code_for_region(recipient[:2]), 0), _by_country)
    try:
        number = phonenumbers.parse(recipient)
    except phonenumbers.NumberParseException:
        return NOWHERE
    return _known(number, time_zones_for_number, _by_country)


def hours_of(said: dict[str, Any]) -> Hours:
    """Read `from` and `to`, both like 21:00."""
    return Hours(time.fromisoformat(said["from"]), time.fromisoformat(said["to"]))


def _by_country(number: PhoneNumber) -> Sequence[str]:
    return tuple(time_zones_for_geographical_number(PhoneNumber(number.country_code, 0)))


def _known(number: PhoneNumber, *ways: Callable[[PhoneNumber], Sequence[str]]) -> tuple[str, ...]:
    for way in ways:
        if (found := tuple(way(number))) and found != (UNKNOWN_TIMEZONE,):
            return found
    return NOWHERE


@lru_cache(maxsize=10_000)  # zones are few and a minute is the same for all of them
def _quiet(quiet: Hours, zones: tuple[str, ...], now: datetime) -> bool:
    return any(quiet.holds(now.astimezone(ZoneInfo(zone))) for zone in zones)


@lru_cache(maxsize=10_000)
def _free(quiet: Hours, zones: tuple[str, ...], now: datetime) -> datetime:
    moment = now
    for _ in range(STEPS):
        ends = [
            quiet.next_end(local).astimezone(UTC)
            for zone in zones
            if quiet.holds(local := moment.astimezone(ZoneInfo(zone)))
        ]
        if not ends:
            return moment
        moment = max(ends)
    return _free(quiet, zones[:1], now)


def _next(local: datetime, clock: time) -> datetime:
    """Return the next time that local clocks show this; one that they leave out in spring is an hour later.

    In autumn they may show it twice in a day: `fold` tells the second time.
    """
    today = datetime.combine(local.date(), clock, local.tzinfo)
    for found in (today, today.replace(fold=1)):
        if found.astimezone(UTC) > local.astimezone(UTC):
            return found
    return datetime.combine(local.date() + timedelta(days=1), clock, local.tzinfo)
