"""Funnel, time series and costs as a client reads them."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.support.campaigns import launched
from tests.support.running import Number, Stack, until
from tests.support.shared_stack import AT_ONCE, Tenant, install, refused

UTILITY = {
    "name": "counted",
    "language": "en_US",
    "category": "UTILITY",
    "components": [{"type": "BODY", "text": "We are closed today."}],
}


@pytest.fixture(scope="module")
def counted(stack: Stack) -> Number:
    """A number of whose messages nothing else is counted."""
    number = stack.connect(throughput=1000, messaging_limit="UNLIMITED")
    install(stack, number, UTILITY)
    return number


def asked(stack: Stack, path: str, **query: Any) -> dict[str, Any]:
    """What analytics answers."""
    words = "&".join(f"{name.rstrip('_')}={value}" for name, value in query.items())
    answer = stack.call("GET", f"/analytics/{path}?{words}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_what_happened_is_counted_once_by_stage_day_and_cost(
    stack: Stack, counted: Number, person: Callable[[], str]
) -> None:
    people = [person() for _ in range(6)]
    counted.open_windows(people)
    ids = [counted.send(who).json()["id"] for who in people[1:]]
    for message_id in ids:
        counted.reaches(message_id, "delivered")
    stack.box("PUT", "/timing", AT_ONCE | {"read_share": 1})
    try:
        counted.reaches(counted.send(people[0]).json()["id"], "read")
    finally:
        stack.box("PUT", "/timing", AT_ONCE)
    counted.hears(people[1], "thanks")
    stages = {"accepted": 6, "sent": 6, "delivered": 6, "read": 1, "replied": 1, "failed": 0}
    found = until(
        lambda: row if (row := asked(stack, "funnel", phone_number_id=counted.id)).items() >= stages.items() else None,
        "it is counted", 30,
    )  # fmt: skip
    assert found["rates"]["read_rate"] == round(1 / 6, 4)
    assert (datetime.now(UTC) - moment(found["as_of"])).total_seconds() < 30
    today = asked(stack, "timeseries", days=7, phone_number_id=counted.id)["data"]
    assert len(today) == 7
    assert (today[-1]["date"], today[-1]["sent"], today[-1]["received"]) == (
        datetime.now(UTC).date().isoformat(), 6, 7
    )  # fmt: skip
    assert all(row["sent"] == 0 for row in today[:-1])
    ways = asked(stack, "timeseries", days=1, by="direction", phone_number_id=counted.id)["data"][-1]
    assert (ways["outbound"], ways["inbound"]) == (6, 7)
    costs = asked(stack, "costs", phone_number_id=counted.id)
    assert sum(row["messages"] for row in costs["data"]) == 6
    assert sum(row["free"] + row["unknown"] for row in costs["data"]) == 6, "service messages of a new number are free"


def test_a_campaign_is_found_by_its_id_and_what_it_costs_adds_up(
    stack: Stack, counted: Number, germans: Callable[[int], list[str]], stranger: Tenant
) -> None:
    people = germans(20)
    campaign_id = launched(counted, people, "counted")
    found = until(
        lambda: row if (row := _funnel(stack, campaign_id))["delivered"] == 20 else None, "all is counted", 40
    )
    assert (found["accepted"], found["sent"], found["failed"]) == (20, 20, 0)
    assert (found["from"], found["to"]) == (None, None)
    costs = asked(stack, "costs", campaign_id=campaign_id, group_by="country,category")
    lines = asked(stack, "costs/lines", campaign_id=campaign_id, limit=100)["data"]
    billable = [row for row in costs["data"] if row["billable"]]
    assert sum(row["messages"] for row in costs["data"]) == 20
    assert sum(row["billable"] for row in billable) == len(lines)
    for row in billable:
        assert (row["country"], row["category"], row["currency"]) == ("DE", "utility", "USD")
        assert float(row["amount"]) == pytest.approx(0.055 * row["billable"])
    volume = asked(stack, "costs/volume")["data"]
    assert {"market": "DE", "category": "utility", "tier": None}.items() <= next(
        row for row in volume if (row["market"], row["category"]) == ("DE", "utility")
    ).items()
    exported = stack.call("GET", f"/analytics/costs/lines/export?campaign_id={campaign_id}")
    assert exported.headers["content-type"].startswith("text/csv")
    assert (datetime.now(UTC) - moment(exported.headers["wabus-as-of"])).total_seconds() < 30
    rows = list(csv.DictReader(io.StringIO(exported.text)))
    assert [(row["id"], row["amount"]) for row in rows] == [(line["id"], line["amount"]) for line in lines]
    total = sum((Decimal(row["amount"]) for row in rows if row["amount"]), Decimal(0))
    assert [row["amount"] for row in costs["totals"] if row["currency"]] == [format(total.normalize(), "f")]
    for path in ("funnel", "costs", "costs/lines", "costs/lines/export"):
        answer = stack.call("GET", f"/analytics/{path}?campaign_id={campaign_id}", key=stranger.key)
        refused(answer, 404, "no_such_campaign", "campaign_id")
    answer = stack.call("GET", f"/analytics/costs/lines?starting_after={lines[0]['id']}", key=stranger.key)
    refused(answer, 422, "invalid_field", "starting_after")


def _funnel(stack: Stack, campaign_id: str) -> dict[str, Any]:
    answer = stack.call("GET", f"/analytics/funnel?campaign_id={campaign_id}")
    found: dict[str, Any] = answer.json() if answer.status_code == 200 else {"delivered": 0}
    return found


def test_another_tenant_sees_nothing_of_ours(stack: Stack, counted: Number, stranger: Tenant) -> None:
    answer = stack.call("GET", f"/analytics/funnel?phone_number_id={counted.id}", key=stranger.key).json()
    assert (answer["accepted"], answer["delivered"], answer["errors"]) == (0, 0, [])


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("timeseries?days=0", "days"),
        ("timeseries?days=91", "days"),
        ("timeseries?days=abc", "days"),
        ("timeseries?days=8&granularity=hour", "days"),
        ("timeseries?granularity=week", "granularity"),
        ("timeseries?time_zone=Mars/Olympus", "time_zone"),
        ("timeseries?by=size", "by"),
        ("timeseries?from=2026-11-01", "from"),
        ("funnel?from=2026-11-02&to=2026-11-01", "to"),
        ("funnel?country=Germany", "country"),
        ("funnel?category=marketin", "category"),
        ("costs?template=", "template"),
        ("costs?from=2026-02-30", "from"),
        ("costs/lines/export?to=tomorrow", "to"),
        ("costs/conversations?template=x", "template"),
        ("costs?group_by=colour", "group_by"),
        ("costs/volume?month=2026-13", "month"),
        ("costs/lines?limit=0", "limit"),
        ("costs/lines?standing=perhaps", "standing"),
        ("funnel?country=IN&country=DE", "country"),
        ("costs/lines?starting_after=0199a7b2-0000-7000-8000-000000000000", "starting_after"),
        ("costs/conversations?starting_after=0199a7b2-0000-7000-8000-000000000000", "starting_after"),
        ("costs/reconciliation?starting_after=0199a7b2-0000-7000-8000-000000000000", "starting_after"),
    ],
)
def test_a_wrong_question_is_refused_by_name(stack: Stack, query: str, param: str) -> None:
    refused(stack.call("GET", f"/analytics/{query}"), 422, "invalid_field", param)


def test_a_campaign_that_can_be_none_is_not_found(stack: Stack) -> None:
    refused(stack.call("GET", "/analytics/funnel?campaign_id=nope"), 404, "no_such_campaign", "campaign_id")


def test_one_command_counts_everything_anew_and_all_stays_the_same(stack: Stack, counted: Number) -> None:
    before = asked(stack, "funnel", phone_number_id=counted.id)
    spent = asked(stack, "costs", phone_number_id=counted.id)
    assert "messages anew" in stack.cli("analytics", "rebuild")
    assert "booked 0 lines" in stack.cli("analytics", "reprice", "--from", "2026-01-01")
    after = asked(stack, "funnel", phone_number_id=counted.id)
    assert {name: after[name] for name in ("sent", "delivered", "read", "replied", "rates")} == {
        name: before[name] for name in ("sent", "delivered", "read", "replied", "rates")
    }
    assert asked(stack, "costs", phone_number_id=counted.id)["data"] == spent["data"]
