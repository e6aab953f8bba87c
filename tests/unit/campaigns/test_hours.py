"""Send windows and quiet hours: over midnight, over changes of the clocks, in countries of many zones."""

from datetime import UTC, datetime, time

import pytest

from services.campaigns.hours import Hours, asleep, free_at, opens_at, zones_of

NIGHT = Hours(time(21), time(8))
GERMAN, NEW_YORKER, RUSSIAN = "+4915112345678", "+12125550123", "+79161234567"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("recipient", "now", "free"),
    [
        (GERMAN, "2026-01-15T12:00:00+01:00", "2026-01-15T12:00:00+01:00"),
        (GERMAN, "2026-01-15T20:59:59+01:00", "2026-01-15T20:59:59+01:00"),
        (GERMAN, "2026-01-15T21:00:00+01:00", "2026-01-16T08:00:00+01:00"),
        (GERMAN, "2026-01-15T03:00:00+01:00", "2026-01-15T08:00:00+01:00"),
        (GERMAN, "2026-01-15T08:00:00+01:00", "2026-01-15T08:00:00+01:00"),
        (GERMAN, "2026-03-28T23:00:00+01:00", "2026-03-29T08:00:00+02:00"),  # clocks go forward in this night
        (GERMAN, "2026-10-24T23:00:00+02:00", "2026-10-25T08:00:00+01:00"),  # and back in this one
        (NEW_YORKER, "2026-01-15T12:00:00+00:00", "2026-01-15T13:00:00+00:00"),
        (RUSSIAN, "2026-01-15T20:00:00+00:00", "2026-01-16T06:00:00+00:00"),  # from Kaliningrad to Kamchatka
        ("DE.1349876", "2026-01-15T03:00:00+01:00", "2026-01-15T08:00:00+01:00"),
        ("ZZ.1349876", "2026-01-15T03:00:00+00:00", "2026-01-15T08:00:00+00:00"),
    ],
)
def test_a_person_is_written_to_when_it_is_quiet_in_none_of_their_zones(recipient: str, now: str, free: str) -> None:
    assert free_at(NIGHT, recipient, at(now)) == at(free)


def test_an_hour_that_clocks_show_twice_ends_the_night_the_first_time_that_is_ahead() -> None:
    night = Hours(time(21), time(2, 30))
    again = at("2026-10-25T02:10:00+01:00")  # the second 02:10 of this night in Berlin
    assert free_at(night, GERMAN, again) == at("2026-10-25T02:30:00+01:00")


def test_who_fell_asleep_is_named_with_the_end_of_their_night() -> None:
    rows = [{"_id": "a", "to": GERMAN}, {"_id": "b", "to": NEW_YORKER}]
    now = at("2026-01-15T22:00:00+01:00")
    assert asleep({"from": "21:00", "to": "08:00"}, rows, now) == {"a": at("2026-01-16T08:00:00+01:00")}
    assert asleep(None, rows, now) == {}


def test_where_no_moment_suits_all_zones_of_a_country_the_first_one_decides() -> None:
    long_night = Hours(time(10), time(9))  # one hour a day is left
    found = free_at(long_night, RUSSIAN, at("2026-01-15T20:00:00+00:00"))
    assert at("2026-01-15T20:00:00+00:00") < found < at("2026-01-17T20:00:00+00:00")


def test_a_person_of_an_unknown_number_is_taken_to_live_by_utc() -> None:
    assert zones_of("+9999999999") == ("UTC",)


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-11-26T10:00:00+01:00", "2026-11-26T10:00:00+01:00"),  # a Thursday
        ("2026-11-26T08:59:00+01:00", "2026-11-26T09:00:00+01:00"),
        ("2026-11-26T18:00:00+01:00", "2026-11-27T09:00:00+01:00"),
        ("2026-11-27T18:00:00+01:00", "2026-11-30T09:00:00+01:00"),  # over the weekend
        ("2026-10-23T18:00:00+02:00", "2026-10-26T09:00:00+01:00"),  # and the change of the clocks
    ],
)
def test_a_window_of_working_days_opens_in_its_own_zone(now: str, opens: str) -> None:
    window = {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "09:00", "to": "18:00", "time_zone": "Europe/Berlin"}
    assert opens_at(window, at(now)) == at(opens)


def test_a_window_over_midnight_belongs_to_the_day_it_begins_on() -> None:
    window = {"days": ["fri"], "from": "22:00", "to": "02:00", "time_zone": "UTC"}
    assert opens_at(window, at("2026-11-28T01:00:00+00:00")) == at("2026-11-28T01:00:00+00:00")  # a Saturday
    assert opens_at(window, at("2026-11-28T22:30:00+00:00")) == at("2026-12-04T22:00:00+00:00")
    assert opens_at(window, at("2026-11-27T01:00:00+00:00")) == at("2026-11-27T22:00:00+00:00")


def test_without_a_window_it_is_always_open() -> None:
    now = at("2026-11-28T22:30:00+00:00")
    assert opens_at(None, now) == now
