"""Sums as callers see them: zero-filled, in any zone's days, unknown told from free."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from services.analytics import reports
from services.analytics.buckets import bucket_of, slices

NOW = datetime(2026, 11, 27, 10, 20, tzinfo=UTC)


def document(at: datetime, **more: Any) -> dict[str, Any]:
    """A document of sums with one message sent at a time."""
    bucket = bucket_of(at)
    return {"day": bucket.day, "n": {"sent": 1}, "q": {str(bucket.quarter): {"sent": 1}}, "type": "text"} | more


def test_a_series_has_a_row_for_every_day_the_last_one_today() -> None:
    rows = reports.series([document(NOW)], reports.steps(NOW, 7, ZoneInfo("UTC"), hourly=False), "status")
    assert [row["date"] for row in rows] == [f"2026-11-{day}" for day in range(21, 28)]
    assert [row["sent"] for row in rows] == [0, 0, 0, 0, 0, 0, 1]
    assert all(row["delivered"] == 0 for row in rows)


def test_a_message_at_night_is_of_the_zones_own_day() -> None:
    late = document(datetime(2026, 11, 26, 18, 45, tzinfo=UTC))  # 00:15 of the 27th in India, half an hour off the hour
    rows = reports.series([late], reports.steps(NOW, 2, ZoneInfo("Asia/Kolkata"), hourly=False), "status")
    assert [(row["date"], row["sent"]) for row in rows] == [("2026-11-26", 0), ("2026-11-27", 1)]


def test_the_day_on_which_clocks_change_has_25_hours() -> None:
    now = datetime(2026, 10, 25, 22, 30, tzinfo=UTC)  # 23:30 in Berlin
    steps = reports.steps(now, 1, ZoneInfo("Europe/Berlin"), hourly=True)
    assert len(steps) == 25
    assert [each.end for each in steps[:-1]] == [each.start for each in steps[1:]]
    assert reports.steps(now, 1, ZoneInfo("Europe/Berlin"), hourly=False)[0].end - steps[0].start == (
        steps[-1].end - steps[0].start
    )


def test_part_of_a_day_is_summed_by_its_quarters() -> None:
    rows = [document(datetime(2026, 11, 26, hour, tzinfo=UTC)) for hour in (9, 12)]
    span = list(slices(datetime(2026, 11, 26, 10, tzinfo=UTC), datetime(2026, 11, 27, tzinfo=UTC)))
    assert reports.measures(rows, span) == {"sent": 1}


def test_rates_are_of_what_could_come_so_far() -> None:
    counts = {"attempted": 20, "accepted": 10, "sent": 10, "delivered": 8, "read": 4, "failed": 12, "failed:x": 2}
    found = reports.funnel(counts)
    assert found["rates"] == {"delivered_rate": 0.8, "read_rate": 0.5, "replied_rate": 0.0, "failed_rate": 0.6}
    assert found["errors"] == [{"code": "x", "count": 2}]
    assert reports.funnel({})["rates"]["read_rate"] is None


def test_an_amount_that_nobody_knows_is_null_and_what_is_free_is_zero() -> None:
    def spent(**counts: int) -> Any:
        rows = [{"day": NOW, "n": counts, "category": "service"}]
        return reports.costs(rows, [], ["category"])["data"][0]["amount"]

    assert spent(messages=1, free=1) == "0"
    assert spent(messages=1, unknown=1) is None
    assert spent(messages=1, billable=1, unpriced=1) is None
    assert spent(messages=2, billable=2, unpriced=1, priced=1, millionths=136_500) == "0.1365"
