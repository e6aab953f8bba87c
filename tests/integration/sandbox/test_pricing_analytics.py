"""What an account's `pricing_analytics` say of what was sent."""

import time
from typing import Any

import pytest

from tests.support.sandbox import Box, Receiver, until

START, END = 1_700_000_000, 4_000_000_000


def field(granularity: str = "DAILY", **lists: str) -> str:
    """Return the field with its methods; it starts a day ago."""
    since = int(time.time()) - 86_400
    more = "".join(f".{name}({text})" for name, text in lists.items())
    return f"name,pricing_analytics.start({since}).end({END}).granularity({granularity}){more}"


async def points(box: Box, asked: str) -> list[dict[str, Any]]:
    answer = await box.graph("GET", f"/{box.waba_id}?fields={asked}")
    assert answer.status_code == 200, answer.text
    (data,) = answer.json()["pricing_analytics"]["data"]
    found: list[dict[str, Any]] = data["data_points"]
    return found


async def sent(box: Box, heard: Receiver) -> None:
    """Two that are delivered (to India and Germany), and one that is not."""
    for person in ("919990000001", "4915770000001"):
        await box.writes(person)
    for person in ("919990000001", "4915770000001", "15550100002"):
        await box.text(to=person)
    await until(lambda: len(heard.statuses) == 5)


async def test_what_was_delivered_counts_by_day_and_kind(box: Box, heard: Receiver) -> None:
    await sent(box, heard)
    asked = field(dimensions='["PRICING_CATEGORY","PRICING_TYPE","TIER"]')
    (point,) = await points(box, asked)
    assert point.pop("end") - point.pop("start") in (82_800, 86_400, 90_000)
    assert point == {"pricing_category": "SERVICE", "pricing_type": "FREE_CUSTOMER_SERVICE", "volume": 2}
    by_country = await points(box, field("HALF_HOUR", dimensions='["COUNTRY","PHONE"]'))
    assert {(it["country"], it["volume"]) for it in by_country} == {("IN", 1), ("DE", 1)}
    assert all(it["end"] - it["start"] == 1_800 for it in by_country)
    assert [it["volume"] for it in await points(box, field("MONTHLY", country_codes='["IN"]'))] == [1]
    assert await points(box, field(pricing_types='["REGULAR"]')) == []


async def test_costs_are_told_once_there_are_prices(box: Box, heard: Receiver) -> None:
    await sent(box, heard)
    account = f"/{box.waba_id}"
    refused = await box.graph("GET", f"{account}?fields=" + field(metric_types='["COST"]'))
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, 100)
    await box.control("PUT", "/prices", {"IN": {"marketing": 0.0118}})
    (point,) = await points(box, field(metric_types='["COST"]'))
    assert point["cost"] == 0
    assert "volume" not in point
    wrong = await box.http.put(f"{box.url}/_sandbox/prices", json={"India": {"marketing": 1}})
    assert wrong.status_code == 400


@pytest.mark.parametrize("asked", [
    "pricing_analytics", "pricing_analytics.start(1).end(2).granularity(DAILY)",
    f"pricing_analytics.start({END}).end({START}).granularity(DAILY)",
    field("WEEKLY"), field(dimensions='["PLANET"]'), field(dimensions="COUNTRY"),
])  # fmt: skip
async def test_what_is_asked_wrongly_is_refused(box: Box, asked: str) -> None:
    answer = await box.graph("GET", f"/{box.waba_id}?fields={asked}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 100)
