"""Calls that ask Meta while their client waits, on a bad day of Meta's: refused in their shape, then repeated."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.support.running import Number, Stack, until
from tests.support.shared_stack import greet, refused

Call = Callable[[Stack, Number], httpx.Response]

# What goes wrong once, and what the caller is told of it.
BAD_DAYS: dict[str, tuple[dict[str, Any], int, str]] = {
    "Meta has trouble of its own": ({"kind": "error", "code": 131016}, 502, "meta_failed"),
    "Meta's budget of calls is used up": ({"kind": "error", "code": 80007}, 429, "app_throttled"),
    "Meta breaks down": ({"kind": "http_5xx", "status": 500, "body": "graph"}, 502, "meta_failed"),
    "something before Meta breaks down": ({"kind": "http_5xx", "status": 503, "body": "html"}, 502, "meta_failed"),
    "Meta does it and hangs up": ({"kind": "accept_then_reset"}, 502, "meta_failed"),
}


def by_hand(stack: Stack, number: Number) -> httpx.Response:
    body = {"waba_id": number.waba_id, "phone_number_id": number.id, "access_token": number.made["access_token"]}
    return stack.call("POST", "/onboarding/manual", body)


def by_code(stack: Stack, number: Number) -> httpx.Response:
    return stack.call("POST", "/onboarding/exchange", {"code": number.made["code"], "phone_number_id": number.id})


def of_number(method: str, path: str, body: Any = None) -> Call:
    return lambda stack, number: stack.call(method, f"/phone_numbers/{number.id}{path}", body)


# Where a call asks Meta: the call, a part of Meta's method and path, the step that the refusal names.
ONBOARDING: dict[str, tuple[Call, str, str]] = {
    "the token is looked at": (by_hand, "/debug_token", "token"),
    "the account is read": (by_hand, "GET /{waba}", "account"),
    "its numbers are read": (by_hand, "/{waba}/phone_numbers", "account"),
    "the app is subscribed": (by_hand, "/{waba}/subscribed_apps", "subscribe"),
    "the number is registered": (by_hand, "/{number}/register", "register"),
    "a code's token is looked at": (by_code, "/debug_token", "token"),
    "a code's app is subscribed": (by_code, "/{waba}/subscribed_apps", "subscribe"),
    "a code's number is registered": (by_code, "/{number}/register", "register"),
}
NUMBERS: dict[str, tuple[Call, str, str]] = {
    "a refresh": (of_number("POST", "/refresh"), "/{waba}/phone_numbers", "refresh"),
    "the profile is read": (of_number("GET", "/profile"), "GET /{number}/whatsapp_business_profile", "profile"),
    "the profile is changed": (
        of_number("PATCH", "/profile", {"about": "We mend"}), "POST /{number}/whatsapp_business_profile",
        "profile",
    ),
    "a code is asked for": (of_number("POST", "/request_code", {}), "/{number}/request_code", "request_code"),
    "it is registered": (of_number("POST", "/register", {}), "/{number}/register", "register"),
    "it is deregistered": (of_number("POST", "/deregister"), "/{number}/deregister", "deregister"),
    "its PIN is set": (of_number("POST", "/two_step_pin", {"pin": "908070"}), "POST /{number}", "two_step_pin"),
    "blocked users are read": (of_number("GET", "/blocked_users"), "GET /{number}/block_users", "blocked_users"),
    "somebody is blocked": (
        of_number("POST", "/blocked_users", {"users": ["+15571110001"]}), "POST /{number}/block_users",
        "blocked_users",
    ),
    "somebody is unblocked": (
        of_number("DELETE", "/blocked_users/+15571110001"), "DELETE /{number}/block_users", "blocked_users",
    ),
}  # fmt: skip


@pytest.fixture
def play(stack: Stack) -> Iterator[Callable[[Number, str, str], tuple[int, str]]]:
    """Play a bad day once on a part of Meta's paths; -> what the caller is to be told. Gone after the test."""

    def begin(number: Number, path: str, day: str) -> tuple[int, str]:
        fault, status, code = BAD_DAYS[day]
        there = path.format(waba=number.waba_id, number=number.id)
        stack.box("POST", "/faults", {"path": there, "count": 1, **fault})
        return status, code

    yield begin
    stack.box("DELETE", "/faults")


@pytest.mark.parametrize("day", BAD_DAYS)
@pytest.mark.parametrize("where", ONBOARDING)
def test_an_onboarding_that_met_trouble_connects_nothing_and_goes_on_when_it_is_repeated(
    stack: Stack, play: Callable[[Number, str, str], tuple[int, str]], person: Callable[[], str], where: str, day: str
) -> None:
    made = stack.box("POST", "/accounts", {"registered": False, "throughput": 1000})
    number = Number(stack, made["waba_id"], made["phone_numbers"][0]["phone_number_id"], made)
    call, path, step = ONBOARDING[where]
    status, code = play(number, path, day)
    error = refused(call(stack, number), status, code)
    assert error["step"] == step
    assert stack.call("GET", f"/accounts/{number.waba_id}").status_code == 404
    refused(number.send("15571110001"), 404, "number_not_found")
    assert call(stack, number).status_code == 201
    who = person()
    greet(number, who)
    number.reaches(number.send(who).json()["id"])


@pytest.mark.parametrize("day", BAD_DAYS)
def test_a_code_whose_token_was_lost_on_the_way_is_told_to_be_used_up_and_a_fresh_one_connects(
    stack: Stack, play: Callable[[Number, str, str], tuple[int, str]], day: str
) -> None:
    made = stack.box("POST", "/accounts", {})
    number = Number(stack, made["waba_id"], made["phone_numbers"][0]["phone_number_id"], made)
    status, code = play(number, "/oauth/access_token", day)
    error = refused(by_code(stack, number), status, code)
    assert error["step"] == "exchange"
    again = by_code(stack, number)
    if day == "Meta does it and hangs up":
        assert refused(again, 422, "meta_refused")["step"] == "exchange"
        made["code"] = stack.box("POST", f"/accounts/{number.waba_id}/code")["code"]
        again = by_code(stack, number)
    assert again.status_code == 201, again.text


@pytest.mark.parametrize("day", BAD_DAYS)
@pytest.mark.parametrize("what", NUMBERS)
def test_a_call_about_a_number_that_met_trouble_works_when_it_is_repeated(
    stack: Stack, play: Callable[[Number, str, str], tuple[int, str]], what: str, day: str
) -> None:
    number = stack.connect(verified=what != "a code is asked for")
    call, path, step = NUMBERS[what]
    status, code = play(number, path, day)
    error = refused(call(stack, number), status, code)
    assert error["step"] == step
    again = call(stack, number)
    assert again.status_code < 300, again.text


@pytest.mark.parametrize("day", BAD_DAYS)
def test_an_account_is_disconnected_whatever_meta_does(
    stack: Stack, play: Callable[[Number, str, str], tuple[int, str]], day: str
) -> None:
    number = stack.connect()
    play(number, "DELETE /{waba}/subscribed_apps", day)
    assert stack.call("DELETE", f"/accounts/{number.waba_id}").status_code == 204
    assert stack.call("GET", f"/accounts/{number.waba_id}").status_code == 404
    assert by_hand(stack, number).status_code == 201
    until(lambda: stack.call("GET", f"/phone_numbers/{number.id}").json()["can_send"], "it can send again")
