import secrets
from collections.abc import Callable
from functools import partial

import pytest

from services.edge.api_keys import ApiKey, parse_key
from tests.support.running import Number, Stack, until
from tests.support.shared_stack import greet, new_key, newest, refused

PLACES = [
    ("GET", "/messages"), ("POST", "/messages"), ("POST", "/messages/template"), ("GET", "/accounts"),
    ("GET", "/phone_numbers"), ("POST", "/onboarding/manual"), ("GET", "/templates"), ("POST", "/templates/sync"),
]  # fmt: skip


def forged(key: str) -> str:
    """Return a key with the right public id and checksum, but another secret."""
    known = parse_key(key)
    assert known is not None
    return ApiKey(known.mode, known.key_id, secrets.token_hex(16)).text


@pytest.mark.parametrize(("method", "path"), PLACES)
def test_a_call_without_a_key_is_refused(stack: Stack, method: str, path: str) -> None:
    answer = stack.call(method, path, {} if method == "POST" else None, key=None)
    refused(answer, 401, "no_key")


@pytest.mark.parametrize("text", ["cm_live_", "cm_test_short", "sk_live_" + "a" * 50, "x", "cm_prod_" + "a" * 50])
def test_a_malformed_key_is_refused(stack: Stack, text: str) -> None:
    refused(stack.call("GET", "/accounts", key=text), 401, "invalid_key")


def test_a_key_that_nobody_made_is_refused(stack: Stack) -> None:
    unknown = ApiKey("test", secrets.token_hex(6), secrets.token_hex(16)).text
    refused(stack.call("GET", "/accounts", key=unknown), 401, "invalid_key")


@pytest.mark.parametrize(("method", "path"), PLACES)
def test_the_right_prefix_with_a_wrong_secret_is_refused(stack: Stack, method: str, path: str) -> None:
    answer = stack.call(method, path, {} if method == "POST" else None, key=forged(stack.key))
    refused(answer, 401, "invalid_key")


def test_a_key_is_not_taken_from_the_query_or_as_a_password(stack: Stack) -> None:
    refused(stack.call("GET", f"/accounts?api_key={stack.key}", key=None), 401, "no_key")
    basic = {"Authorization": f"Basic {stack.key}"}
    refused(stack.call("GET", "/accounts", key=None, headers=basic), 401, "no_key")


def test_a_key_in_its_own_header_is_taken(stack: Stack) -> None:
    assert stack.call("GET", "/accounts", key=None, headers={"X-API-Key": stack.key}).status_code == 200


def test_an_expired_key_is_refused_and_its_successor_works(stack: Stack) -> None:
    old = new_key(stack, "whatsapp:read")
    assert stack.call("GET", "/accounts", key=old["key"]).status_code == 200
    rolled = stack.cli("keys", "roll", old["id"], "--overlap-seconds", "0", "--json")
    until(lambda: stack.call("GET", "/accounts", key=old["key"]).status_code == 401, "the old key is dead", 5)
    refused(stack.call("GET", "/accounts", key=old["key"]), 401, "invalid_key")
    assert stack.call("GET", "/accounts", key=rolled.split('"key": "')[1].split('"')[0]).status_code == 200


def test_a_revoked_key_is_dead_within_five_seconds_behind_the_door_too(stack: Stack) -> None:
    made = new_key(stack, "whatsapp:read")
    for path in ("/accounts", "/templates"):
        assert stack.call("GET", path, key=made["key"]).status_code == 200

    def shut(path: str) -> bool:
        return stack.call("GET", path, key=made["key"]).status_code == 401

    stack.cli("keys", "revoke", made["id"])
    for path in ("/accounts", "/templates"):
        until(partial(shut, path), f"{path} is shut", 5)


@pytest.mark.parametrize(("method", "path"), PLACES)
def test_a_missing_scope_is_named(stack: Stack, method: str, path: str, scopeless: dict[str, str]) -> None:
    needed = {"GET": "whatsapp:read", "POST": "whatsapp:write"}[method]
    if path.startswith("/messages") and method == "POST":
        needed = "whatsapp:send"
    answer = stack.call(method, path, {} if method == "POST" else None, key=scopeless[needed])
    error = refused(answer, 403, "missing_scope")
    assert needed in error["message"]


def test_a_key_that_may_only_read_sends_nothing(
    stack: Stack, number: Number, scopeless: dict[str, str], person: Callable[[], str]
) -> None:
    who = person()
    greet(number, who)
    before = newest(stack, direction="outbound")
    body = {"phone_number_id": number.id, "to": f"+{who}", "text": "hello"}
    refused(stack.call("POST", "/messages", body, key=scopeless["whatsapp:send"]), 403, "missing_scope")
    assert newest(stack, direction="outbound") == before


@pytest.fixture(scope="module")
def scopeless(stack: Stack) -> dict[str, str]:
    """For each scope a key that has the other two."""
    scopes = ["whatsapp:read", "whatsapp:write", "whatsapp:send"]
    return {
        scope: str(new_key(stack, ",".join(other for other in scopes if other != scope))["key"]) for scope in scopes
    }
