"""Embedded Signup from the browser's code to the first message, and back out again."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.running import Number, Stack, parallel_calls, until
from tests.support.shared_stack import Tenant, greet, refused


def signup(made: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return the body that a browser's page would post."""
    return {"code": made["code"], "phone_number_id": made["phone_numbers"][0]["phone_number_id"]} | more


def exchange(stack: Stack, body: dict[str, Any], key: str | None = None) -> Any:
    return stack.call("POST", "/onboarding/exchange", body, key=key or stack.key)


def account_row(stack: Stack, waba_id: str, key: str | None = None) -> Any:
    return stack.call("GET", f"/accounts/{waba_id}", key=key or stack.key)


def test_a_code_connects_the_account_that_has_the_number(stack: Stack, person: Callable[[], str]) -> None:
    made, who = stack.box("POST", "/accounts", {"throughput": 1000}), person()
    answer = exchange(stack, signup(made))
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert (told["waba_id"], told["status"]) == (made["waba_id"], "active")
    assert (told["phone_number"]["can_send"], told["phone_number"]["cannot_send_because"]) == (True, [])
    number = Number(stack, made["waba_id"], told["phone_number"]["phone_number_id"], made)
    greet(number, who)
    number.reaches(number.send(who).json()["id"])
    steps = stack.call("GET", f"/onboarding/{told['onboarding_id']}").json()
    assert [step["step"] for step in steps["steps"]] == ["exchange", "token", "account", "subscribe", "connect"]
    assert {step["status"] for step in steps["steps"]} == {"done"}


def test_the_same_code_again_is_the_same_connection(stack: Stack) -> None:
    made = stack.box("POST", "/accounts", {})
    first, again = (exchange(stack, signup(made)) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["id"] == first.json()["id"]


def test_one_code_posted_by_many_clicks_connects_once(stack: Stack) -> None:
    made = stack.box("POST", "/accounts", {})
    answers = parallel_calls(8, lambda: exchange(stack, signup(made)))
    assert {answer.status_code for answer in answers} <= {200, 201, 409}
    assert sum(answer.status_code == 201 for answer in answers) == 1
    for answer in answers:
        if answer.status_code == 409:
            refused(answer, 409, "onboarding_running")
            assert answer.headers["Retry-After"] == "1"


@pytest.mark.parametrize("code", ["AQnever-given-out", "x" * 2048])
def test_a_code_that_meta_does_not_know_is_refused_with_its_reason(stack: Stack, code: str) -> None:
    made = stack.box("POST", "/accounts", {})
    error = refused(exchange(stack, signup(made, code=code)), 422, "meta_refused")
    assert (error["step"], error["meta"]["code"]) == ("exchange", 100)
    run = stack.call("GET", f"/onboarding/{error['onboarding_id']}").json()
    assert [(step["step"], step["status"]) for step in run["steps"]] == [("exchange", "failed")]
    assert run["steps"][0]["error"]["meta"]["code"] == 100
    assert account_row(stack, made["waba_id"]).status_code == 404


def test_a_number_that_was_not_shared_is_refused_and_the_code_still_works_for_the_right_one(stack: Stack) -> None:
    made = stack.box("POST", "/accounts", {})
    wrong = refused(exchange(stack, signup(made, phone_number_id="123456789")), 422, "number_not_in_account")
    assert (wrong["param"], wrong["step"]) == ("phone_number_id", "token")
    assert account_row(stack, made["waba_id"]).status_code == 404
    assert exchange(stack, signup(made)).status_code == 201


def test_a_new_number_is_registered_and_its_pin_is_kept(stack: Stack) -> None:
    made = stack.box("POST", "/accounts", {"registered": False})
    answer = exchange(stack, signup(made))
    assert answer.status_code == 201, answer.text
    row = answer.json()["phone_number"]
    assert (row["status"], row["two_step_pin_kept"]) == ("connected", True)
    assert at_meta(stack, made)["registered"] is True
    assert at_meta(stack, made)["pin"] not in answer.text


def at_meta(stack: Stack, made: dict[str, Any]) -> dict[str, Any]:
    """Return the account's number as Meta has it."""
    rows = stack.box("GET", "/accounts")
    accounts = rows["data"] if isinstance(rows, dict) else rows
    account = next(each for each in accounts if each["waba_id"] == made["waba_id"])
    found: dict[str, Any] = account["phone_numbers"][0]
    return found


def test_a_number_with_a_pin_of_its_own_asks_for_it_and_the_same_code_goes_on(stack: Stack) -> None:
    made = stack.box("POST", "/accounts", {"registered": False, "pin": "135790"})
    error = refused(exchange(stack, signup(made)), 422, "two_step_pin_mismatch", "pin")
    assert error["step"] == "register"
    assert account_row(stack, made["waba_id"]).status_code == 404
    answer = exchange(stack, signup(made, pin="135790"))
    assert answer.status_code == 201, answer.text
    assert answer.json()["phone_number"]["status"] == "connected"


def test_by_hand_a_new_number_is_registered_too(stack: Stack) -> None:
    made = stack.box("POST", "/accounts", {"registered": False, "pin": "135790"})
    body = {
        "waba_id": made["waba_id"], "phone_number_id": made["phone_numbers"][0]["phone_number_id"],
        "access_token": made["access_token"],
    }  # fmt: skip
    refused(stack.call("POST", "/onboarding/manual", body), 422, "two_step_pin_mismatch", "pin")
    assert stack.call("POST", "/onboarding/manual", body | {"pin": "135790"}).status_code == 201


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"code": ""}, "code"), ({"code": None}, "code"), ({"phone_number_id": "x"}, "phone_number_id"),
        ({"pin": "12345"}, "pin"), ({"colour": "red"}, "colour"), ({"waba_id": 7}, "waba_id"),
    ],
)  # fmt: skip
def test_a_signup_with_a_wrong_field_is_refused_by_its_name(stack: Stack, changes: dict[str, Any], param: str) -> None:
    refused(exchange(stack, {"code": "AQx", "phone_number_id": "1"} | changes), 422, param=param)


def test_a_disconnected_account_sends_nothing_and_may_be_connected_by_anybody(
    stack: Stack, newcomer: Tenant, person: Callable[[], str]
) -> None:
    who, gone = person(), stack.connect()
    greet(gone, who)
    other = stack.call("DELETE", f"/accounts/{gone.waba_id}", key=newcomer.key)
    refused(other, 404, "account_not_found")
    assert stack.call("DELETE", f"/accounts/{gone.waba_id}").status_code == 204
    refused(stack.call("DELETE", f"/accounts/{gone.waba_id}"), 404, "account_not_found")
    refused(gone.send(who), 404, "number_not_found")
    assert account_row(stack, gone.waba_id).status_code == 404
    accounts = stack.box("GET", "/accounts")
    rows = accounts["data"] if isinstance(accounts, dict) else accounts
    assert next(each for each in rows if each["waba_id"] == gone.waba_id)["subscriptions"] == {}
    body = {"waba_id": gone.waba_id, "phone_number_id": gone.id, "access_token": gone.made["access_token"]}
    assert stack.call("POST", "/onboarding/manual", body, key=newcomer.key).status_code == 201
    refused(stack.call("POST", "/onboarding/manual", body), 409, "number_taken")


def test_what_waits_when_an_account_is_disconnected_is_not_sent(stack: Stack, person: Callable[[], str]) -> None:
    who, gone = person(), stack.connect()
    greet(gone, who)
    stack.box("POST", "/faults", {"kind": "error", "code": 131016, "count": 2, "phone_number_id": gone.id})
    waiting = gone.send(who).json()["id"]
    until(lambda: stack.message(waiting)["attempts"] >= 1, "it was tried")
    assert stack.call("DELETE", f"/accounts/{gone.waba_id}").status_code == 204
    assert not [row for row in stack.sends() if row["phone_number_id"] == gone.id and row["outcome"] == "accepted"]
