"""Messages that name a time: put off, listed, taken back, looked at again when they are due."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.events.topics import MESSAGES_STATUS
from tests.support.running import Number, Stack, until
from tests.support.shared_stack import Tenant, greet, install, refused
from tests.support.topics import told

NOTICE = {"name": "notice", "language": "en_US", "category": "UTILITY", "components": [
    {"type": "BODY", "text": "Your order {{1}} is here."}]}  # fmt: skip
ONE = [{"type": "body", "parameters": [{"type": "text", "text": "7"}]}]


def after(**delta: float) -> str:
    """Return a time from now on, in RFC 3339."""
    return (datetime.now(UTC) + timedelta(**delta)).isoformat()


def schedule(number: Number, who: str, at: str, **more: Any) -> Any:
    """Post a text that is put off."""
    body = {"phone_number_id": number.id, "to": f"+{who}", "text": "later", "send_at": at}
    return number.stack.call("POST", "/messages", body | more)


def sent(stack: Stack, message_id: str) -> list[dict[str, Any]]:
    return [each for each in stack.sends() if each["biz_opaque_callback_data"] == message_id]


def began(row: dict[str, Any]) -> datetime:
    """Return when a message was first tried."""
    return datetime.fromisoformat(next(move["at"] for move in row["history"] if move["status"] == "sending"))


def canceled(stack: Stack, message_id: str, **more: Any) -> Any:
    return stack.call("POST", f"/messages/{message_id}/cancel", **more)


def test_a_message_goes_when_it_is_due_and_holds_nobody_back_until_then(
    stack: Stack, number: Number, person: Callable[[], str]
) -> None:
    who = person()
    greet(number, who)
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=4)
    answer = schedule(number, who, due.isoformat(), ttl=600)
    assert answer.status_code == 202, answer.text
    later = answer.json()
    assert datetime.fromisoformat(later["send_at"]) == due
    queued = stack.call("GET", f"/messages?status=queued&recipient={who}").json()["data"]
    assert [(each["id"], each["send_at"]) for each in queued] == [(later["id"], later["send_at"])]
    now = number.send(who, "now").json()["id"]
    row = stack.message(later["id"])
    assert (row["status"], row["send_at"]) == ("queued", later["send_at"])
    assert datetime.fromisoformat(row["expires_at"]) == due + timedelta(seconds=600)
    row = number.reaches(later["id"], "delivered", seconds=10)
    assert began(row) >= due
    assert began(number.reaches(now, "delivered")) < due, "it held nobody back"
    assert len(sent(stack, later["id"])) == 1


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (after(minutes=-2), "past"), (after(days=31), "30 days"), ("2026-11-23T09:30:00", "offset"),
        ("tomorrow", "RFC 3339"), ("2026-11-23", "RFC 3339"), (1_900_000_000, "RFC 3339"),
        ("9999-12-31T23:59:59-23:59", "RFC 3339"), ("2026-02-30T00:00:00Z", "RFC 3339"),
    ],
    ids=range(8),
)  # fmt: skip
def test_a_time_that_cannot_be_is_refused(number: Number, at: Any, words: str) -> None:
    error = refused(schedule(number, "15571234567", at), 422, "invalid_field", "send_at")
    assert words in error["message"]


def test_a_time_just_past_is_now(number: Number, person: Callable[[], str]) -> None:
    who = person()
    greet(number, who)
    answer = schedule(number, who, after(seconds=-5).replace("+00:00", "Z"))
    assert "send_at" not in answer.json()
    number.reaches(answer.json()["id"], "delivered")


def test_a_free_form_message_needs_a_window_that_is_open_at_its_time(number: Number, person: Callable[[], str]) -> None:
    who = person()
    refused(schedule(number, who, after(hours=1)), 422, "outside_customer_window", "to")
    greet(number, who)
    error = refused(schedule(number, who, after(hours=25)), 422, "outside_customer_window", "send_at")
    assert error["window"]["open"] is True
    assert schedule(number, who, after(hours=23)).status_code == 202


def test_a_template_is_looked_at_again_when_its_message_is_due(
    stack: Stack, number: Number, person: Callable[[], str]
) -> None:
    install(stack, number, NOTICE, NOTICE | {"name": "notice_kept"})
    ids = []
    for name in ("notice", "notice_kept"):
        body = {"phone_number_id": number.id, "to": f"+{person()}", "template": name, "language": "en_US"}
        answer = stack.call("POST", "/messages/template", body | {"components": ONE, "send_at": after(seconds=4)})
        assert answer.status_code == 202, answer.text
        ids.append(answer.json()["id"])
    known = {
        each["name"]: each["id"] for each in stack.box("GET", "/templates")["data"] if each["waba_id"] == number.waba_id
    }
    stack.box("POST", f"/templates/{known['notice']}/review", {"action": "pause"})
    row = number.reaches(ids[0], "delivered", "failed")
    assert (row["status"], row["error"]["code"], row["error"]["param"]) == (
        "failed",
        "template_not_approved",
        "template",
    )
    assert sent(stack, ids[0]) == []
    assert number.reaches(ids[1], "delivered", "failed")["status"] == "delivered"


def test_who_opted_out_in_the_meantime_is_left_alone_but_for_replies(
    stack: Stack, number: Number, person: Callable[[], str]
) -> None:
    who = person()
    install(stack, number, NOTICE | {"name": "notice_to_leavers"})
    greet(number, who)
    reply = schedule(number, who, after(seconds=2)).json()["id"]
    body = {"phone_number_id": number.id, "to": f"+{who}", "template": "notice_to_leavers", "language": "en_US"}
    message_id = stack.call(
        "POST", "/messages/template", body | {"components": ONE, "send_at": after(seconds=2)}
    ).json()["id"]
    number.hears(who, "stop all")
    row = number.reaches(message_id, "failed", "delivered")
    assert (row["status"], row["error"]["code"]) == ("failed", "recipient_opted_out")
    number.reaches(reply, "delivered")


def test_a_message_put_off_is_taken_back_once_and_told(
    stack: Stack, number: Number, stranger: Tenant, person: Callable[[], str]
) -> None:
    who = person()
    greet(number, who)
    message_id = schedule(number, who, after(hours=20), client_ref="mine").json()["id"]
    unknown = refused(canceled(stack, "0190c0de-0000-7000-8000-000000000000"), 404, "message_not_found")
    foreign = refused(canceled(stack, message_id, key=stranger.key), 404, "message_not_found")
    assert {**unknown, "request_id": None} == {**foreign, "request_id": None}
    first = canceled(stack, message_id)
    assert (first.status_code, first.json()["status"]) == (200, "canceled")
    assert canceled(stack, message_id).json() == first.json()
    events = asyncio.run(told(stack, MESSAGES_STATUS, lambda _, data: data["message_id"] == message_id, 1))
    headers, data = events[0]
    assert (data["status"], data["client_ref"], headers["ce_source"]) == ("canceled", "mine", "edge")
    assert sent(stack, message_id) == []


def test_what_is_not_queued_cannot_be_taken_back(stack: Stack, number: Number, person: Callable[[], str]) -> None:
    who = person()
    greet(number, who)
    delivered = number.reaches(number.send(who).json()["id"], "delivered")
    error = refused(canceled(stack, delivered["id"]), 409, "message_not_cancelable")
    assert error["status"] == "delivered"
    path = f"/messages?direction=inbound&recipient={who}&phone_number_id={number.id}"
    error = refused(canceled(stack, stack.call("GET", path).json()["data"][0]["id"]), 409, "message_not_cancelable")
    assert error["status"] == "received"
    refused(canceled(stack, delivered["id"], body={"why": "x"}), 422, "unknown_field", "why")


def test_a_message_is_either_canceled_or_sent_never_both(
    stack: Stack, number: Number, person: Callable[[], str]
) -> None:
    people = [person() for _ in range(25)]
    for who in people:
        number.hears(who)
    for who in people:
        greet(number, who)
    answers = {}
    for who in people:
        message_id = number.send(who).json()["id"]
        answers[message_id] = canceled(stack, message_id)
    for message_id, answer in answers.items():
        if answer.status_code == 200:
            assert stack.message(message_id)["status"] == "canceled"
        else:
            refused(answer, 409, "message_not_cancelable")
            number.reaches(message_id, "delivered")
    log = {each["biz_opaque_callback_data"] for each in stack.sends()}
    assert {message_id for message_id, answer in answers.items() if answer.status_code == 409} == log & set(answers)


def test_one_that_is_canceled_lets_those_behind_it_go(stack: Stack, number: Number, person: Callable[[], str]) -> None:
    who = person()
    greet(number, who)
    fault = stack.box("POST", "/faults", {"kind": "error", "code": 131016, "to": who})
    try:
        held = number.send(who, "first").json()["id"]
        until(lambda: stack.message(held)["attempts"] >= 2, "it was tried", 10)
        behind = number.send(who, "second").json()["id"]
        until(lambda: canceled(stack, held).status_code == 200, "it is canceled", 10, 0.2)
    finally:
        stack.box("DELETE", f"/faults/{fault['id']}")
    number.reaches(behind, "delivered", seconds=10)
