from collections.abc import Callable
from typing import Any

import pytest

from tests.support.running import Number, Stack, until
from tests.support.shared_stack import greet


@pytest.fixture
def friend(number: Number, person: Callable[[], str]) -> str:
    """Somebody who may be written to."""
    who = person()
    greet(number, who)
    return who


def play(number: Number, who: str, **fault: Any) -> dict[str, Any]:
    """Send a text while a fault is played for its recipient; -> the message, delivered or failed."""
    number.stack.box("POST", "/faults", {"to": who, **fault})
    return number.reaches(number.send(who).json()["id"], "delivered", "failed", seconds=25)


def count(stack: Stack, message_id: str) -> int:
    return len([row for row in stack.sends() if row["biz_opaque_callback_data"] == message_id])


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "error", "code": 131000}, {"kind": "error", "code": 131016}, {"kind": "error", "code": 1},
        {"kind": "error", "code": 2}, {"kind": "error", "code": 131057}, {"kind": "error", "code": 80007},
        {"kind": "error", "code": 4}, {"kind": "http_5xx", "status": 500, "body": "graph"},
    ],
    ids=str,
)  # fmt: skip
def test_metas_own_trouble_is_tried_again(number: Number, friend: str, fault: dict[str, Any]) -> None:
    row = play(number, friend, count=1, **fault)
    assert row["status"] == "delivered"
    assert row["attempts"] == 2
    assert row["error"] is None
    assert count(number.stack, row["id"]) == 1


@pytest.mark.parametrize(
    ("code", "ours"),
    [
        (131026, "undeliverable"), (131030, "recipient_not_allowed"), (130497, "country_restricted"),
        (131047, "outside_customer_window"), (131049, "not_delivered_by_meta"), (131050, "recipient_opted_out"),
        (132001, "template_not_found"), (132015, "template_paused"), (132000, "template_parameters"),
        (131009, "invalid_message"), (100, "invalid_message"), (131053, "media_not_usable"),
        (131042, "payment_missing"), (999_999, "invalid_message"),
    ],
)  # fmt: skip
def test_a_final_refusal_fails_the_message_at_once_with_both_codes(
    number: Number, friend: str, code: int, ours: str
) -> None:
    row = play(number, friend, kind="error", code=code, count=1)
    assert row["status"] == "failed"
    assert (row["error"]["code"], row["error"]["meta"]["code"]) == (ours, code)
    assert row["attempts"] == 1
    assert count(number.stack, row["id"]) == 0
    assert number.reaches(number.send(friend).json()["id"], "delivered"), "the next message goes"


def test_a_refusal_that_comes_as_a_status_fails_the_message(number: Number, friend: str) -> None:
    row = play(number, friend, kind="error", code=131026, later=True, count=1)
    assert (row["status"], row["error"]["meta"]["code"]) == ("failed", 131026)
    assert row["wamid"]


UNCLEAR: list[dict[str, Any]] = [
    {"kind": "accept_then_reset"}, {"kind": "refuse"}, {"kind": "http_5xx", "status": 502, "body": "html"},
    {"kind": "http_5xx", "status": 503, "body": "none"},
]  # fmt: skip


def test_an_outcome_that_nobody_knows_is_found_out_and_the_message_goes_once(
    number: Number, person: Callable[[], str]
) -> None:
    other, people = person(), [person() for _ in UNCLEAR]
    for who in (other, *people):
        greet(number, who)
    for who, fault in zip(people, UNCLEAR, strict=True):
        number.stack.box("POST", "/faults", {"to": who, "count": 1, **fault})
    posted = {who: [number.send(who, f"line {i}").json()["id"] for i in range(2)] for who in people}
    assert number.reaches(number.send(other).json()["id"], "delivered", seconds=5), "nobody else waits"

    def found_out() -> bool:
        if all(number.stack.message(ids[0])["status"] == "delivered" for ids in posted.values()):
            return True
        number.send(other, "so that webhooks flow")
        return False

    until(found_out, "it is found out", 30, 1.0)
    for who, ids in posted.items():
        row = number.reaches(ids[1], "delivered", seconds=5)
        assert [move["status"] for move in row["history"]] == ["queued", "sending", "accepted", "sent", "delivered"]
        log = [each["biz_opaque_callback_data"] for each in number.stack.sends() if each["to"] == who]
        assert log == ids
