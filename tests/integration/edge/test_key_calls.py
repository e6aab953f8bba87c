"""Keys as a tenant's admin manages them over REST."""

import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from pymongo import MongoClient

from libs.runtime.clock import rfc3339
from services.edge.api_keys import new_key as random_key
from tests.support.running import Stack, parallel_calls, until
from tests.support.shared_stack import Tenant, new_key, refused

READ = {"scopes": ["whatsapp:read"]}
hosts = itertools.count(1)


def admin(stack: Stack, method: str, path: str, body: Any = None, **headers: str) -> Any:
    """Call with the stack's admin key."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return stack.call(method, path, body, key=stack.info["admin_key"], headers=named)


def made(stack: Stack, **wish: Any) -> dict[str, Any]:
    """Make a key."""
    answer = admin(stack, "POST", "/keys", READ | wish)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def reads(stack: Stack, key: dict[str, Any], path: str = "/accounts", address: str | None = None) -> int:
    """Return the status of a call with a key."""
    headers = {"X-Forwarded-For": address} if address else None
    return stack.call("GET", path, key=key["key"], headers=headers).status_code


@pytest.fixture(scope="module")
def theirs(stack: Stack, stranger: Tenant) -> dict[str, Any]:
    """An admin key of another tenant."""
    return new_key(stack, "whatsapp:admin", stranger.id)


def test_a_key_is_made_shown_once_and_works(stack: Stack) -> None:
    end = datetime.now(UTC) + timedelta(hours=1)
    wish = {"name": "shop", "expires_at": rfc3339(end), "allowed_addresses": ["127.0.0.1"], "rate_per_second": 50}
    key = made(stack, mode="test", **wish)
    assert key["key"].startswith(f"cm_test_{key['id']}")
    assert (key["prefix"], key["last4"]) == (f"cm_test_{key['id']}", key["key"][-4:])
    assert reads(stack, key) == 200
    refused(stack.call("POST", "/messages", {}, key=key["key"]), 403, "missing_scope")
    shown = admin(stack, "GET", f"/keys/{key['id']}").json()
    known = wish | {"allowed_addresses": ["127.0.0.1/32"], "mode": "test", "scopes": ["whatsapp:read"]}
    assert {name: shown[name] for name in known} == known
    assert key["key"][-40:] not in json.dumps([shown, admin(stack, "GET", "/keys?limit=100").json()])


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "scopes"), ({"scopes": []}, "scopes"), ({"scopes": ["whatsapp:everything"]}, "scopes.0"),
        (READ | {"mode": "prod"}, "mode"), (READ | {"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        (READ | {"expires_at": "2099-01-01T00:00:00"}, "expires_at"),
        (READ | {"rate_per_second": 0}, "rate_per_second"),
        (READ | {"expires_at": "9999-12-31T23:59:59Z"}, "expires_at"),
        (READ | {"expires_at": "9999-12-31T23:59:59-12:00"}, "expires_at"),
        (READ | {"allowed_addresses": ["10.0.0.1/8"]}, "allowed_addresses.0"),
        (READ | {"allowed_addresses": ["office"]}, "allowed_addresses.0"), (READ | {"name": ""}, "name"),
        (READ | {"tenant": "another"}, "tenant"), (READ | {"secret_hash": "x"}, "secret_hash"),
    ],
)  # fmt: skip
def test_a_wrong_wish_is_refused_by_name(stack: Stack, body: dict[str, Any], param: str) -> None:
    refused(admin(stack, "POST", "/keys", body), 422, param=param)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/keys"), ("GET", "/keys"), ("GET", "/keys/x"), ("POST", "/keys/x/roll"), ("POST", "/keys/x/revoke"),
        ("GET", "/dead_letters"), ("GET", "/dead_letters/x"), ("POST", "/dead_letters/x/replay"),
        ("POST", "/dead_letters/x/discard"),
    ],
)  # fmt: skip
def test_only_an_admin_key_comes_here(stack: Stack, method: str, path: str) -> None:
    error = refused(stack.call(method, path, {} if method == "POST" else None), 403, "missing_scope")
    assert "whatsapp:admin" in error["message"]


def test_keys_are_listed_newest_first_page_by_page(stack: Stack, stranger: Tenant, theirs: dict[str, Any]) -> None:
    ids = [stack.call("POST", "/keys", READ, key=theirs["key"]).json()["id"] for _ in range(3)]
    page = stack.call("GET", "/keys?limit=2", key=theirs["key"]).json()
    rest = stack.call("GET", f"/keys?limit=2&starting_after={page['data'][-1]['id']}", key=theirs["key"]).json()
    assert [row["id"] for row in page["data"] + rest["data"]][:3] == ids[::-1]
    assert page["has_more"]
    assert all(row["tenant"] == stranger.id for row in page["data"])
    foreign = admin(stack, "GET", "/keys?limit=1").json()["data"][0]["id"]
    refused(stack.call("GET", f"/keys?starting_after={foreign}", key=theirs["key"]), 400)


def test_another_tenant_s_key_is_one_that_does_not_exist(stack: Stack, theirs: dict[str, Any]) -> None:
    key = made(stack)
    for method, act in (("GET", ""), ("POST", "/roll"), ("POST", "/revoke")):
        bodies = [
            refused(stack.call(method, f"/keys/{name}{act}", key=theirs["key"]), 404, "key_not_found")
            for name in (key["id"], "nosuchkey123")
        ]
        assert bodies[0] | {"request_id": ""} == bodies[1] | {"request_id": ""}
    assert reads(stack, key) == 200


def test_a_test_key_gives_no_live_key(stack: Stack) -> None:
    refused(admin(stack, "POST", "/keys", READ | {"mode": "live"}), 403, "test_key")
    live = new_key(stack, "whatsapp:read", stack.info["tenant"], "live")
    for act in ("roll", "revoke"):
        refused(admin(stack, "POST", f"/keys/{live['id']}/{act}"), 404, "key_not_found")
    refused(admin(stack, "GET", f"/keys/{live['id']}"), 404, "key_not_found")
    assert live["id"] not in admin(stack, "GET", "/keys?limit=100").text
    refused(admin(stack, "GET", f"/keys?starting_after={live['id']}"), 400)
    assert reads(stack, live) == 200


def test_both_keys_work_in_an_overlap_and_the_successor_is_what_the_old_one_was(stack: Stack) -> None:
    old = made(stack, name="till", allowed_addresses=["127.0.0.0/8", "2001:db8::/32"], rate_per_second=7)
    answer = admin(stack, "POST", f"/keys/{old['id']}/roll", {"overlap_seconds": 3600})
    assert answer.status_code == 201, answer.text
    new = answer.json()
    assert (reads(stack, old), reads(stack, new)) == (200, 200)
    kept = ("name", "mode", "scopes", "allowed_addresses", "rate_per_second", "expires_at")
    assert {name: new[name] for name in kept} == {name: old[name] for name in kept}
    assert admin(stack, "POST", f"/keys/{old['id']}/roll", {"overlap_seconds": 0}).status_code == 201
    until(lambda: reads(stack, old) == 401, "the overlap is over", 5)
    assert reads(stack, new) == 200


def test_an_expired_key_is_dead_and_its_successor_lives_as_long(stack: Stack) -> None:
    end = datetime.now(UTC) + timedelta(seconds=2)
    key = made(stack, expires_at=rfc3339(end))
    until(lambda: reads(stack, key) == 401, "the key is expired", 5)
    assert datetime.now(UTC) >= end
    new = admin(stack, "POST", f"/keys/{key['id']}/roll").json()
    assert datetime.fromisoformat(new["expires_at"]) > end


def test_a_revoked_key_is_dead_within_five_seconds_everywhere(stack: Stack) -> None:
    key = made(stack)
    places = ("/accounts", "/templates", "/webhook_endpoints")
    assert [reads(stack, key, path) for path in places] == [200] * 3
    first = admin(stack, "POST", f"/keys/{key['id']}/revoke")
    for path in places:
        until(partial(lambda path: reads(stack, key, path) == 401, path), f"{path} is shut", 5)
    again = admin(stack, "POST", f"/keys/{key['id']}/revoke")
    assert (again.status_code, again.json()["revoked_at"]) == (200, first.json()["revoked_at"])
    refused(admin(stack, "POST", f"/keys/{key['id']}/roll"), 409, "key_revoked")


def test_the_last_use_of_a_key_is_shown(stack: Stack) -> None:
    key = made(stack)
    assert key["last_used_at"] is None
    assert reads(stack, key) == 200

    def used() -> Any:
        return admin(stack, "GET", f"/keys/{key['id']}").json()["last_used_at"]

    assert until(used, "the use is noted", 5) >= key["created_at"]


def test_a_key_with_a_list_works_from_its_addresses_only(stack: Stack) -> None:
    key = made(stack, allowed_addresses=["203.0.113.0/24", "2001:db8::/32"])
    for address, status in (("203.0.113.9", 200), ("2001:db8::9", 200), ("203.0.114.9", 403), ("2001:db9::9", 403)):
        for path in ("/accounts", "/templates"):
            assert reads(stack, key, path, address) == status, (address, path)
    refused(stack.call("GET", "/accounts", key=key["key"]), 403, "address_not_allowed")


def test_a_key_s_own_rate_is_kept(stack: Stack) -> None:
    key = made(stack, rate_per_second=1)

    def limited() -> Any:
        answer = stack.call("GET", "/accounts", key=key["key"])
        return answer if answer.status_code == 429 else None

    answer = until(limited, "it is limited", 15, 0)
    refused(answer, 429, "rate_limited")
    assert int(answer.headers["Retry-After"]) >= 1
    until(lambda: reads(stack, key) == 200, "it may go on", 3)


def test_who_guesses_is_told_to_wait_and_others_are_not(stack: Stack) -> None:
    address = {"X-Forwarded-For": f"198.51.100.{next(hosts)}"}

    def guess() -> Any:
        return stack.call("GET", "/accounts", key=random_key("test").text, headers=address)

    refused(guess(), 401, "invalid_key")

    def enough() -> Any:
        return next((answer for answer in parallel_calls(40, guess) if answer.status_code != 401), None)

    answer = until(enough, "it is enough", 20, 0)
    refused(answer, 429, "too_many_attempts")
    assert int(answer.headers["Retry-After"]) >= 1
    assert stack.call("GET", "/accounts").status_code == 200


ENDPOINT = {"url": "https://127.0.0.1:9/x", "events": ["message.*"]}
SECRETS: list[tuple[str, Callable[[dict[str, Any]], str], Any]] = [
    ("/keys", lambda answer: str(answer["key"]), READ),
    ("/keys/{key}/roll", lambda answer: str(answer["key"]), {"overlap_seconds": 60}),
    ("/webhook_endpoints", lambda answer: str(answer["secret"]), ENDPOINT),
    ("/webhook_endpoints/{endpoint}/rotate_secret", lambda answer: str(answer["secret"]), {}),
]  # fmt: skip


@pytest.mark.parametrize(("path", "secret", "body"), SECRETS, ids=[path for path, _, _ in SECRETS])
def test_a_kept_answer_comes_again_and_lies_encrypted(
    stack: Stack, path: str, secret: Callable[[dict[str, Any]], str], body: Any
) -> None:
    key = made(stack, scopes=["whatsapp:admin", "whatsapp:write"])
    endpoint = ""
    if "{endpoint}" in path:
        endpoint = stack.call("POST", "/webhook_endpoints", ENDPOINT, key=key["key"]).json()["id"]
    path, name = path.format(key=key["id"], endpoint=endpoint), f"secret of {path} {key['id']}"
    first, again = (
        stack.call("POST", path, body, key=key["key"], headers={"Idempotency-Key": name}) for _ in range(2)
    )  # fmt: skip
    assert first.status_code in (200, 201), first.text
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    client: MongoClient[dict[str, Any]] = MongoClient(stack.info["mongo"])
    with client:
        rows = list(client["wabus"]["idempotency_keys"].find({"_id": {"$regex": f"{key['id']}$"}}))
    assert len(rows) == 1
    assert rows[0]["answer"]["status"] == first.status_code
    whole = secret(first.json())
    assert len(whole) > 20
    assert whole not in str(rows)
    assert whole[12:] not in str(rows)


def test_a_kept_answer_is_of_its_own_call_only(stack: Stack) -> None:
    names = [f"moved {random_key('test').key_id}" for _ in range(2)]
    for name in names:
        assert admin(stack, "POST", "/keys", READ, Idempotency_Key=name).status_code == 201
    client: MongoClient[dict[str, Any]] = MongoClient(stack.info["mongo"])
    with client:
        kept = client["wabus"]["idempotency_keys"]
        one, other = (kept.find_one({"_id": {"$regex": f"{name}$"}}) for name in names)
        assert one is not None
        assert other is not None
        kept.update_one({"_id": other["_id"]}, {"$set": {"answer": one["answer"]}})
    assert admin(stack, "POST", "/keys", READ, Idempotency_Key=names[0]).status_code == 201
    refused(admin(stack, "POST", "/keys", READ, Idempotency_Key=names[1]), 409, "answer_not_kept")


def test_the_command_line_makes_keys_with_all_that_they_may_have(stack: Stack) -> None:
    options = ("--expires-in", "2h", "--allow-address", "127.0.0.1", "--allow-address", "2001:db8::/32", "--rate", "9")
    key = json.loads(stack.cli("keys", "create", "--scopes", "whatsapp:read", *options, "--json"))
    left = datetime.fromisoformat(key["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=118) < left <= timedelta(hours=2)
    assert key["allowed_addresses"] == ["127.0.0.1/32", "2001:db8::/32"]
    assert key["rate_per_second"] == 9
    assert reads(stack, key) == 200
