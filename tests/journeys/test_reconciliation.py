"""Our counts against what Meta says it charged, on a stack of its own: it compares every second."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.integration.sender.test_rates import connected, template
from tests.support.running import Number, Stack, running_stack, until
from tests.support.shared_stack import AT_ONCE

A_DAY_AND_A_HALF = 36 * 3_600  # seconds: then the day of Meta's that was is over, in any time zone


@pytest.fixture(scope="module")
def comparing() -> Iterator[Stack]:
    with running_stack(WABUS_ANALYTICS_RECONCILE_EVERY="PT1S") as stack:
        stack.box("PUT", "/timing", AT_ONCE | {"pricing_on_sent": 1})
        until(lambda: stack.call("GET", "/analytics/costs").status_code == 200, "counting has begun", 30)
        yield stack


@pytest.fixture(scope="module")
def number(comparing: Stack) -> Number:
    return connected(comparing, throughput=1000, messaging_limit="UNLIMITED")


def days(number: Number) -> dict[str, Any]:
    answer = number.stack.call("GET", f"/analytics/costs/reconciliation?waba_id={number.waba_id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def counted(number: Number, **wanted: Any) -> dict[str, Any]:
    """Wait for an entry of a day that is over, and return it."""

    def look() -> dict[str, Any] | None:
        entries = [entry for day in days(number)["data"] if day["complete"] for entry in day["entries"]]
        return next((entry for entry in entries if wanted.items() <= entry.items()), None)

    return until(look, f"a day has {wanted}", 30)  # type: ignore[no-any-return]


def send_in_the_past(number: Number, people: list[str]) -> None:
    """Meta delivers to these people the day before yesterday."""
    number.stack.box("PUT", "/clock", {"offset_seconds": -A_DAY_AND_A_HALF})
    try:
        for message in [template(number, who) for who in people]:
            number.reaches(message, "delivered", "sent", "accepted", seconds=10)
    finally:
        number.stack.box("PUT", "/clock", {"offset_seconds": 0})


def test_a_day_on_which_all_was_heard_has_no_drift_and_one_with_lost_webhooks_has(number: Number) -> None:
    send_in_the_past(number, ["491577100001", "491577100002", "919990000003"])
    entry = counted(number, volume=3, meta_volume=3)
    assert (entry["pricing_type"], entry["drift"]) == ("regular", 0)
    assert (entry["meta_amount"], entry["amount_drift"]) == (None, None), "Meta tells no cost"
    spent = Decimal(entry["amount"])
    assert spent > 0
    number.stack.box("PUT", "/prices", {"DE": {entry["category"]: 0.05}})
    assert Decimal(counted(number, volume=3, meta_amount="0.1")["amount_drift"]) == spent - Decimal("0.1")
    fault = number.stack.box("POST", "/faults", {"kind": "webhooks_dropped", "share": 1, "to": "491577100004"})
    try:
        send_in_the_past(number, ["491577100004"])
        assert counted(number, volume=3, meta_volume=4)["drift"] == -1
        until(lambda: number.stack.metric("analytics", "wabus_analytics_drift_messages") == 1, "the metric says it", 20)
    finally:
        number.stack.box("DELETE", f"/faults/{fault['id']}")


def test_what_meta_does_not_answer_is_said_and_what_was_compared_stays(number: Number) -> None:
    before = until(lambda: days(number)["data"], "it is compared", 20)
    fault = number.stack.box(
        "POST", "/faults", {"kind": "http_5xx", "status": 503, "share": 1, "path": f"GET /{number.waba_id}"}
    )
    try:
        until(lambda: days(number)["accounts"][0]["error"] == "meta_unavailable", "the account says so", 20)
        found = days(number)
        assert [day["start"] for day in found["data"]] == [day["start"] for day in before]
        assert found["accounts"][0]["compared_at"] is not None
    finally:
        number.stack.box("DELETE", f"/faults/{fault['id']}")
    until(lambda: days(number)["accounts"][0]["error"] is None, "it is compared again", 20)


def test_wrong_questions_are_refused_by_name(comparing: Stack) -> None:
    for query, param in (("from=yesterday", "from"), ("limit=0", "limit"), ("starting_after=1", "starting_after")):
        answer = comparing.call("GET", f"/analytics/costs/reconciliation?{query}")
        assert (answer.status_code in (400, 422), answer.json()["error"]["param"]) == (True, param), answer.text
    nobody = comparing.call("GET", "/analytics/costs/reconciliation?waba_id=1").json()
    assert (nobody["data"], nobody["accounts"]) == ([], [])
