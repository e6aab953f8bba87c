"""What a tenant does with a number at Meta: reads it, proves it, registers it, changes its profile, blocks people."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.running import Number, Stack, until
from tests.support.shared_stack import Tenant, all_rows, refused


@pytest.fixture(scope="module")
def shop(stack: Stack) -> Number:
    """A number of this module's own."""
    return stack.connect()


def at(shop: Number, method: str, path: str, body: Any = None) -> Any:
    return shop.stack.call(method, f"/phone_numbers/{shop.id}{path}", body)


def at_meta(stack: Stack, number: Number) -> dict[str, Any]:
    accounts = stack.box("GET", "/accounts")
    rows = accounts["data"] if isinstance(accounts, dict) else accounts
    account = next(each for each in rows if each["waba_id"] == number.waba_id)
    found: dict[str, Any] = account["phone_numbers"][0]
    return found


def test_a_number_shows_its_limits_and_that_it_can_send(shop: Number) -> None:
    row = at(shop, "GET", "").json()
    assert (row["phone_number_id"], row["throughput"], row["can_send"]) == (shop.id, 80, True)
    assert row["health"]["can_send_message"] == "AVAILABLE"


def test_a_number_says_why_it_cannot_send(stack: Stack) -> None:
    banned = stack.connect()
    stack.box("POST", f"/accounts/{banned.waba_id}/events", {"event": "BAN"})
    until(lambda: not at(banned, "GET", "").json()["can_send"], "it cannot send", 10)
    assert at(banned, "GET", "").json()["cannot_send_because"] == ["account_banned"]
    rows = all_rows(stack, "/phone_numbers")
    assert next(row for row in rows if row["phone_number_id"] == banned.id)["cannot_send_because"] == ["account_banned"]


def test_a_refresh_brings_what_no_webhook_told(stack: Stack) -> None:
    quiet = stack.connect()
    event = f"/accounts/{quiet.waba_id}/events"
    stack.box("POST", event, {"event": "QUALITY", "quality": "YELLOW"})
    row = at(quiet, "POST", "/refresh").json()
    assert row["quality_rating"] == "YELLOW"


def test_a_refresh_with_a_revoked_token_stops_the_account_and_says_so(stack: Stack) -> None:
    lost = stack.connect()
    stack.box("POST", f"/accounts/{lost.waba_id}/events", {"event": "TOKEN_REVOKED"})
    error = refused(at(lost, "POST", "/refresh"), 409, "token_invalid")
    assert (error["step"], error["meta"]["code"]) == ("refresh", 190)
    assert at(lost, "GET", "").json()["cannot_send_because"] == ["token_invalid"]


def test_a_profile_is_changed_field_by_field(shop: Number) -> None:
    first = at(
        shop,
        "PATCH",
        "/profile",
        {"about": "We mend bicycles", "vertical": "RETAIL", "websites": ["https://example.com"]},
    )
    assert first.status_code == 200, first.text
    changed = at(shop, "PATCH", "/profile", {"email": "shop@example.com"}).json()
    assert (changed["about"], changed["email"], changed["vertical"]) == (
        "We mend bicycles",
        "shop@example.com",
        "RETAIL",
    )
    assert at(shop, "GET", "/profile").json() == changed
    assert "messaging_product" not in changed


@pytest.mark.parametrize(
    ("method", "path", "body", "param"),
    [
        ("PATCH", "/profile", {"about": "x" * 140}, "about"),
        ("PATCH", "/profile", {"about": ""}, "about"),
        (
            "PATCH",
            "/profile",
            {"websites": ["https://a.example", "https://b.example", "https://c.example"]},
            "websites",
        ),
        ("PATCH", "/profile", {"websites": ["ftp://a.example"]}, "websites.0"),
        ("PATCH", "/profile", {"vertical": "SPACE"}, "vertical"),
        ("PATCH", "/profile", {"email": "none"}, "email"),
        ("PATCH", "/profile", {"colour": "red"}, "colour"),
        ("POST", "/two_step_pin", {"pin": "12"}, "pin"),
        ("POST", "/two_step_pin", {}, "pin"),
        ("POST", "/register", {"pin": "abcdef"}, "pin"),
        ("POST", "/request_code", {"method": "PIGEON"}, "method"),
        ("POST", "/verify_code", {"code": "1"}, "code"),
        ("POST", "/blocked_users", {"users": []}, "users"),
        ("POST", "/blocked_users", {"users": ["nobody"]}, "users.0"),
    ],
)
def test_a_wrong_field_is_refused_by_its_name(
    shop: Number, method: str, path: str, body: dict[str, Any], param: str
) -> None:
    refused(at(shop, method, path, body), 422, param=param)


def test_a_number_is_proven_with_the_code_that_meta_sent_and_then_registered(stack: Stack) -> None:
    fresh = stack.connect(verified=False)
    assert at(fresh, "GET", "").json()["code_verification_status"] == "NOT_VERIFIED"
    assert at(fresh, "POST", "/request_code", {"method": "VOICE", "language": "en_US"}).status_code == 202
    error = refused(at(fresh, "POST", "/verify_code", {"code": "000-000"}), 422, "meta_refused")
    assert (error["step"], error["meta"]["code"]) == ("verify_code", 136025)
    code = at_meta(stack, fresh)["verification_code"]
    assert at(fresh, "POST", "/verify_code", {"code": code}).json()["code_verification_status"] == "VERIFIED"
    assert at(fresh, "POST", "/register").status_code == 200
    assert at(fresh, "GET", "").json()["two_step_pin_kept"] is True


def test_a_number_that_was_deregistered_cannot_send_until_it_is_registered_again(stack: Stack) -> None:
    number = stack.connect()
    off = at(number, "POST", "/deregister").json()
    assert (off["can_send"], off["cannot_send_because"]) == (False, ["pending"])
    assert at(number, "POST", "/register", {"pin": "246800"}).json()["can_send"] is True
    error = refused(at(number, "POST", "/register", {"pin": "111111"}), 422, "two_step_pin_mismatch", "pin")
    assert error["errors"][0]["path"] == "pin"


def test_a_new_pin_is_set_at_meta_and_used_for_later_registrations(stack: Stack) -> None:
    number = stack.connect()
    assert at(number, "POST", "/two_step_pin", {"pin": "908070"}).status_code == 204
    assert at_meta(stack, number)["pin"] == "908070"
    assert at(number, "POST", "/deregister").status_code == 200
    assert at(number, "POST", "/register").json()["can_send"] is True


def test_a_blocked_user_does_not_get_through_until_they_are_unblocked(stack: Stack, person: Callable[[], str]) -> None:
    number, who = stack.connect(), person()
    blocked = at(number, "POST", "/blocked_users", {"users": [f"+{who}"]})
    assert [row["wa_id"] for row in blocked.json()["blocked"]] == [who]
    assert [row["wa_id"] for row in at(number, "GET", "/blocked_users").json()["data"]] == [who]
    number.hears(who, "while blocked")
    assert at(number, "DELETE", f"/blocked_users/+{who}").status_code == 204
    number.hears(who, "after that")
    path = f"/messages?direction=inbound&phone_number_id={number.id}"
    until(lambda: stack.call("GET", path).json()["data"], "the second one came", 10)
    texts = [row["content"]["body"] for row in stack.call("GET", path).json()["data"]]
    assert texts == ["after that"]
    assert at(number, "GET", "/blocked_users").json()["data"] == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None), ("POST", "/refresh", None), ("GET", "/profile", None),
        ("PATCH", "/profile", {"about": "x"}), ("POST", "/request_code", {}),
        ("POST", "/verify_code", {"code": "123456"}),
        ("POST", "/register", {}), ("POST", "/deregister", None), ("POST", "/two_step_pin", {"pin": "123456"}),
        ("GET", "/blocked_users", None), ("POST", "/blocked_users", {"users": ["+15550001111"]}),
        ("DELETE", "/blocked_users/+15550001111", None),
    ],
)  # fmt: skip
def test_a_number_of_another_tenant_is_as_unknown_as_one_that_is_not_there(
    stack: Stack, shop: Number, stranger: Tenant, method: str, path: str, body: Any
) -> None:
    foreign = stack.call(method, f"/phone_numbers/{shop.id}{path}", body, key=stranger.key)
    unknown = stack.call(method, f"/phone_numbers/404{path}", body, key=stranger.key)
    errors = [refused(answer, 404, "number_not_found") for answer in (foreign, unknown)]
    assert errors[0] | {"request_id": ""} == errors[1] | {"request_id": ""}
