"""Marking what people wrote as read."""

from collections.abc import Callable
from typing import Any

from tests.support.running import Number, Stack, until
from tests.support.shared_stack import Tenant, greet, refused

NOBODY = "0190c0de-0000-7000-8000-000000000000"


def heard(number: Number, who: str) -> dict[str, Any]:
    """Have somebody write, and return the message as we have it."""
    greet(number, who)
    path = f"/messages?direction=inbound&recipient={who}&phone_number_id={number.id}"
    row: dict[str, Any] = number.stack.call("GET", path).json()["data"][0]
    return row


def seen(stack: Stack, who: str) -> dict[str, Any]:
    """Return the conversation as the person sees it."""
    talk: dict[str, Any] = stack.box("GET", f"/phones/{who}")["conversations"][0]
    return talk


def mark(stack: Stack, message_id: str, body: Any = None, **more: Any) -> Any:
    return stack.call("POST", f"/messages/{message_id}/read", body, **more)


def test_a_message_is_marked_as_read_as_often_as_asked(stack: Stack, number: Number, person: Callable[[], str]) -> None:
    who = person()
    row = heard(number, who)
    assert seen(stack, who)["messages"][0]["status"] == "delivered"
    for body in (None, {}, {"typing_indicator": False}):
        answer = mark(stack, row["id"], body)
        assert answer.status_code == 200, answer.text
        assert answer.json() == {"id": row["id"], "object": "message", "read": True, "typing_indicator": False}
    assert seen(stack, who)["messages"][0]["status"] == "read"
    assert seen(stack, who)["typing"] is False


def test_a_typing_indicator_shows_until_the_answer(stack: Stack, number: Number, person: Callable[[], str]) -> None:
    who = person()
    row = heard(number, who)
    assert mark(stack, row["id"], {"typing_indicator": True}).json()["typing_indicator"] is True
    assert seen(stack, who)["typing"] is True
    number.reaches(number.send(who).json()["id"], "delivered")
    assert seen(stack, who)["typing"] is False


def test_what_we_sent_cannot_be_marked_and_what_is_not_there_is_not_found(
    stack: Stack, number: Number, stranger: Tenant, person: Callable[[], str]
) -> None:
    who = person()
    row = heard(number, who)
    ours = number.send(who).json()["id"]
    refused(mark(stack, ours), 409, "not_an_inbound_message", "message_id")
    unknown = refused(mark(stack, NOBODY), 404, "message_not_found")
    foreign = refused(mark(stack, row["id"], key=stranger.key), 404, "message_not_found")
    assert {**unknown, "request_id": None} == {**foreign, "request_id": None}
    refused(mark(stack, "abc"), 404, "message_not_found")
    refused(mark(stack, row["id"], {"typing": True}), 422, "unknown_field", "typing")
    refused(mark(stack, row["id"], {"typing_indicator": "yes"}), 422, "invalid_field", "typing_indicator")


def test_meta_that_refuses_is_told_with_its_own_words(stack: Stack, number: Number, person: Callable[[], str]) -> None:
    who = person()
    row = heard(number, who)
    for code, status, kind, retryable in ((131009, 422, "meta_refused", False), (131000, 502, "meta_failed", True)):
        stack.box("POST", "/faults", {"kind": "error", "code": code, "to": who, "count": 1})
        error = refused(mark(stack, row["id"]), status, kind)
        assert (error["meta"]["code"], error["retryable"]) == (code, retryable)
    stack.box("POST", "/faults", {"kind": "http_5xx", "status": 503, "body": "html", "to": who, "count": 1})
    refused(mark(stack, row["id"]), 502, "meta_failed")
    assert mark(stack, row["id"]).status_code == 200


def test_a_number_that_cannot_send_is_named_with_the_reason(stack: Stack, person: Callable[[], str]) -> None:
    number, who = stack.connect(), person()
    row = heard(number, who)
    stack.box("POST", f"/accounts/{number.waba_id}/events", {"event": "BAN"})

    until(lambda: mark(stack, row["id"]).status_code == 409, "the number is stopped", 10)
    error = refused(mark(stack, row["id"]), 409, "number_cannot_send", "phone_number_id")
    assert error["reason"]
