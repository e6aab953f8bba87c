import hashlib
import hmac
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import meta_bodies as meta
from tests.support.running import Number, Stack, until
from tests.support.shared_stack import Tenant, all_rows, greet, refused


def credentials(made: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the body that connects an account of the sandbox."""
    number = made["phone_numbers"][0]["phone_number_id"]
    return {"waba_id": made["waba_id"], "phone_number_id": number, "access_token": made["access_token"]} | changes


def connect(stack: Stack, body: dict[str, Any], key: str | None = None) -> Any:
    return stack.call("POST", "/onboarding/manual", body, key=key or stack.key)


def of_account(stack: Stack, waba_id: str, what: str = "accounts", key: str | None = None) -> list[dict[str, Any]]:
    return [row for row in all_rows(stack, f"/{what}", key) if row["waba_id"] == waba_id]


def test_an_account_connects_once_and_says_so_when_it_is_repeated(stack: Stack) -> None:
    made = stack.box("POST", "/accounts", {"throughput": 1000, "messaging_limit": 2000})
    first = connect(stack, credentials(made))
    assert first.status_code == 201, first.text
    again = connect(stack, credentials(made))
    assert again.status_code == 200
    assert again.json()["id"] == first.json()["id"]
    (account,) = of_account(stack, made["waba_id"])
    (number,) = of_account(stack, made["waba_id"], "phone_numbers")
    assert (account["status"], account["messaging_limit"]) == ("active", 2000)
    assert (number["status"], number["throughput"]) == ("connected", 1000)
    assert number["display_phone_number"] == made["phone_numbers"][0]["display_phone_number"]


def test_no_answer_ever_shows_a_token_or_secret(stack: Stack) -> None:
    made = stack.box("POST", "/accounts", {"foreign_app": True})
    answers = [
        connect(stack, credentials(made, app_secret=made["app_secret"])).text,
        stack.call("GET", "/accounts?limit=100").text,
        stack.call("GET", "/phone_numbers?limit=100").text,
        connect(stack, credentials(made, access_token=made["access_token"] + "x")).text,
    ]
    for text in answers:
        assert made["access_token"] not in text
        assert made["app_secret"] not in text


@pytest.mark.parametrize(
    ("changes", "status", "param"),
    [
        ({"access_token": "EAAnot-a-token"}, 422, "access_token"),
        ({"phone_number_id": "123456789"}, 422, "phone_number_id"),
        ({"waba_id": "123456789"}, 422, "waba_id"),
        ({"access_token": ""}, 422, "access_token"),
        ({"waba_id": "12/../34"}, 422, "waba_id"),
        ({"access_token": "line\nbreak"}, 422, "access_token"),
        ({"access_token": "ünï"}, 422, "access_token"),
    ],
)
def test_credentials_that_do_not_fit_are_refused_and_nothing_is_connected(
    stack: Stack, changes: dict[str, str], status: int, param: str
) -> None:
    made = stack.box("POST", "/accounts", {})
    refused(connect(stack, credentials(made, **changes)), status, param=param)
    assert of_account(stack, made["waba_id"]) == []
    assert of_account(stack, made["waba_id"], "phone_numbers") == []


def test_a_number_of_another_account_is_refused(stack: Stack) -> None:
    made, other = (stack.box("POST", "/accounts", {}) for _ in range(2))
    foreign = other["phone_numbers"][0]["phone_number_id"]
    refused(connect(stack, credentials(made, phone_number_id=foreign)), 422, "number_not_in_account", "phone_number_id")


def test_a_token_of_another_account_is_refused(stack: Stack) -> None:
    made, other = (stack.box("POST", "/accounts", {}) for _ in range(2))
    refused(connect(stack, credentials(made, access_token=other["access_token"])), 422)
    assert of_account(stack, made["waba_id"]) == []


def test_a_number_of_another_tenant_is_taken(stack: Stack, number: Number, stranger: Tenant) -> None:
    refused(connect(stack, credentials(number.made), stranger.key), 409, "number_taken")
    assert of_account(stack, number.waba_id, key=stranger.key) == []
    assert of_account(stack, number.waba_id)[0]["status"] == "active"


def test_an_account_of_another_app_needs_that_apps_own_secret(stack: Stack) -> None:
    made = stack.box("POST", "/accounts", {"foreign_app": True})
    refused(connect(stack, credentials(made)), 422, "token_of_another_app", "app_secret")
    wrong = credentials(made, app_secret="0" * 32)
    refused(connect(stack, wrong), 422, "wrong_app_secret", "app_secret")
    assert of_account(stack, made["waba_id"]) == []
    assert connect(stack, credentials(made, app_secret=made["app_secret"])).status_code == 201


def test_an_account_of_another_app_works_on_its_own_path_and_signs_for_nobody_else(
    stack: Stack, number: Number, person: Callable[[], str]
) -> None:
    who, victim = person(), person()
    greet(number, victim)
    ours = number.reaches(number.send(victim).json()["id"], "delivered")
    made = stack.box("POST", "/accounts", {"foreign_app": True})
    body = credentials(made, app_secret=made["app_secret"])
    assert connect(stack, body).status_code == 201
    (account,) = of_account(stack, made["waba_id"])
    foreign = Number(stack, made["waba_id"], body["phone_number_id"], made)
    greet(foreign, who)
    foreign.reaches(foreign.send(who).json()["id"], "delivered")
    raw = meta.body(number.waba_id, meta.change(number.id, [meta.inbound(who)]))
    refused(stack.webhook(raw, signed(made["app_secret"], raw)), 401, "invalid_signature")
    path = f"/webhooks/whatsapp/{account['id']}"
    refused(stack.webhook(raw, path=path), 401, "invalid_signature")
    refused(stack.webhook(raw, path="/webhooks/whatsapp/0190c0de-0000-7000-8000-000000000000"), 404)
    assert ours["status"] == "delivered"


def signed(secret: str, raw: bytes) -> str:
    return "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()


def test_what_a_tenants_own_app_signs_cannot_touch_another_tenants_messages(
    stack: Stack, number: Number, newcomer: Tenant, person: Callable[[], str]
) -> None:
    made = stack.box("POST", "/accounts", {"foreign_app": True})
    assert connect(stack, credentials(made, app_secret=made["app_secret"]), newcomer.key).status_code == 201
    (account,) = of_account(stack, made["waba_id"], key=newcomer.key)
    own = made["phone_numbers"][0]["phone_number_id"]
    victim, liar, honest = person(), person(), person()
    greet(number, victim)
    ours = number.reaches(number.send(victim).json()["id"], "delivered")
    raw = meta.body(
        number.waba_id,
        meta.change(number.id, [meta.inbound(liar)]),
        meta.change(number.id, statuses=[meta.status(ours["id"], "read", victim, ours["wamid"])]),
        {"field": "account_update", "value": {"event": "ACCOUNT_DELETED"}},
        meta.change(own, [meta.inbound(honest)]),
    )
    answer = stack.webhook(raw, signed(made["app_secret"], raw), f"/webhooks/whatsapp/{account['id']}")
    assert answer.status_code == 200
    path = f"/messages?direction=inbound&recipient={honest}"
    until(lambda: stack.call("GET", path, key=newcomer.key).json()["data"], "its own part is applied", 10)
    assert stack.message(ours["id"])["status"] == "delivered"
    assert stack.call("GET", f"/messages?recipient={liar}").json()["data"] == []
    assert of_account(stack, number.waba_id)[0]["status"] == "active"
    assert number.send(victim).status_code == 202


def test_a_revoked_token_stops_its_account_only_and_a_new_one_releases_what_waits(
    stack: Stack, number: Number, person: Callable[[], str]
) -> None:
    who = person()
    lost = stack.connect()
    greet(lost, who)
    greet(number, who)
    stack.box("POST", f"/accounts/{lost.waba_id}/events", {"event": "TOKEN_REVOKED"})
    waiting = lost.send(who, "while the token is revoked").json()["id"]

    def stopped() -> bool:
        return bool(of_account(stack, lost.waba_id)[0]["stop_reason"])

    until(stopped, "it is stopped", 10)
    assert of_account(stack, lost.waba_id)[0]["stop_reason"] == "token_invalid"
    refused(lost.send(who, "now it is known"), 409, "number_cannot_send")
    number.reaches(number.send(who).json()["id"], "delivered", seconds=5)
    assert stack.message(waiting)["status"] == "queued"
    fresh = renewed(stack, lost)
    assert connect(stack, credentials(lost.made, access_token=fresh)).status_code == 200
    assert of_account(stack, lost.waba_id)[0]["stop_reason"] is None
    lost.reaches(waiting, "delivered", seconds=20)
    assert lost.send(who, "as before").status_code == 202


def renewed(stack: Stack, number: Number) -> str:
    """Return a fresh token of an account, as Embedded Signup would: its code is exchanged for it."""
    code = stack.box("POST", f"/accounts/{number.waba_id}/code")["code"]
    environment = Path(f"/proc/{stack.info['pids']['edge']}/environ").read_bytes().split(b"\0")
    app_id = next(entry.partition(b"=")[2] for entry in environment if entry.startswith(b"WABUS_APP_ID="))
    query = {"client_id": app_id.decode(), "client_secret": stack.info["app_secret"], "code": code}
    answer = stack.http.get(f"{stack.info['sandbox']}/v25.0/oauth/access_token", params=query)
    assert answer.status_code == 200, answer.text
    return str(json.loads(answer.text)["access_token"])


def test_a_banned_account_stops_and_a_reinstated_one_goes_on(stack: Stack, person: Callable[[], str]) -> None:
    who, banned = person(), stack.connect()
    greet(banned, who)
    event = f"/accounts/{banned.waba_id}/events"
    stack.box("POST", event, {"event": "BAN"})
    until(lambda: of_account(stack, banned.waba_id)[0]["stop_reason"] == "account_banned", "it is stopped", 10)
    until(lambda: banned.send(who).status_code == 409, "it is refused", 6, 0.2)
    stack.box("POST", event, {"event": "BAN", "state": "REINSTATE"})
    until(lambda: banned.send(who).status_code == 202, "it goes on", 10, 0.2)


@pytest.mark.parametrize(
    ("event", "field", "value"),
    [
        ({"event": "FLAGGED"}, "quality_rating", "RED"),
        ({"event": "THROUGHPUT_UPGRADE", "throughput": 1000}, "throughput", 1000),
    ],
)
def test_what_meta_says_of_a_number_is_seen(stack: Stack, event: dict[str, Any], field: str, value: Any) -> None:
    one = stack.connect()
    stack.box("POST", f"/accounts/{one.waba_id}/events", event)
    until(lambda: of_account(stack, one.waba_id, "phone_numbers")[0][field] == value, f"{field} is {value}", 10)
