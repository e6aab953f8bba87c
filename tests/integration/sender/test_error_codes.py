"""Every code that Meta can answer a message with, through the API and back."""

from collections.abc import Callable

from tests.support.meta_errors import FAILED, MESSAGING, RETRIED, STOPPED, Row
from tests.support.running import Number, Stack, until
from tests.support.shared_stack import greet


def fault(stack: Stack, row: Row, who: str) -> None:
    """Have Meta answer the next message to a person with this code."""
    wish = {"kind": "error", "code": row.code, "http_status": row.http, "to": who, "count": 1}
    stack.box("POST", "/faults", wish | ({"subcode": row.subcode} if row.subcode else {}))


def test_a_code_fails_the_message_or_has_it_tried_again_as_its_class_says(
    stack: Stack, number: Number, person: Callable[[], str]
) -> None:
    rows = {person(): row for row in MESSAGING if row.end in (RETRIED, FAILED)}
    for who in rows:
        number.hears(who)
    for who in rows:
        greet(number, who)
    ids = {}
    for who, row in rows.items():
        fault(stack, row, who)
        ids[who] = number.send(who).json()["id"]
    for who, row in rows.items():
        found = number.reaches(ids[who], "delivered", "failed")
        if row.end == RETRIED:
            assert (found["status"], found["attempts"], found["error"]) == ("delivered", 2, None), row
        else:
            told = (found["status"], found["attempts"], found["error"]["code"], found["error"]["meta"]["code"])
            assert told == ("failed", 1, row.ours, row.code)


def test_a_code_that_means_the_account_stops_it_and_its_messages_wait(stack: Stack, person: Callable[[], str]) -> None:
    waiting = []
    # One of each of our codes: the others of the table differ in nothing but their number.
    for row in {row.ours: row for row in MESSAGING if row.end == STOPPED}.values():
        number, who = stack.connect(), person()
        greet(number, who)
        fault(stack, row, who)
        waiting.append((row, number, who, number.send(who).json()["id"]))
    for row, number, who, message_id in waiting:
        until(lambda number=number: stopped(number), f"{row} stopped it", 10)  # type: ignore[misc]
        assert number.send(who).json()["error"]["reason"]
        assert stack.message(message_id)["status"] == "queued"
        assert stack.call("POST", f"/messages/{message_id}/cancel").status_code == 200


def stopped(number: Number) -> bool:
    """Tell whether we hold a number or its account to be stopped."""
    kinds = (("/phone_numbers", "phone_number_id", number.id), ("/accounts", "waba_id", number.waba_id))
    for path, field, wanted in kinds:
        rows = number.stack.call("GET", f"{path}?limit=100").json()["data"]
        if any(row["stop_reason"] for row in rows if row[field] == wanted):
            return True
    return False
