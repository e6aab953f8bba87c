"""The audit log of a running stack: of a tenant's keys, of our own tools, of Meta."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.running import Stack, until
from tests.support.shared_stack import Tenant, all_rows, new_key, new_tenant, refused

ADMIN = "whatsapp:admin"
NOWHERE = "http://127.0.0.1:9/"


@pytest.fixture(scope="module")
def tenant(stack: Stack) -> Tenant:
    return new_tenant(stack, "Audited")


@pytest.fixture(scope="module")
def admin(stack: Stack, tenant: Tenant) -> str:
    return str(new_key(stack, ADMIN, tenant=tenant.id)["key"])


def entries(stack: Stack, key: str, **filters: str) -> list[dict[str, Any]]:
    query = "&".join(f"{name}={value}" for name, value in filters.items())
    return all_rows(stack, f"/audit_log?{query}", key)


def test_what_a_key_does_is_in_the_log_when_it_is_answered(stack: Stack, tenant: Tenant, admin: str) -> None:
    made = stack.call("POST", "/webhook_endpoints", {"url": NOWHERE, "events": ["*"]}, key=tenant.key)
    hook = made.json()["id"]
    address = {"X-Forwarded-For": "203.0.113.9"}
    rolled = stack.call("POST", f"/webhook_endpoints/{hook}/rotate_secret", {}, key=tenant.key, headers=address)
    wrong = stack.call("PATCH", f"/webhook_endpoints/{hook}", {"colour": "red"}, key=tenant.key)
    assert stack.call("DELETE", f"/webhook_endpoints/{hook}", key=tenant.key).status_code == 204
    rows = entries(stack, admin, object=hook)
    assert [(row["action"], row["outcome"]) for row in rows] == [
        ("webhook_endpoint.delete", "done"), ("webhook_endpoint.change", "refused"),
        ("webhook_endpoint.rotate_secret", "done"), ("webhook_endpoint.create", "done"),
    ]  # fmt: skip
    assert [row["request_id"] for row in rows[1:]] == [each.headers["Request-Id"] for each in (wrong, rolled, made)]
    assert rows[2]["address"] == "203.0.113.9"
    assert {row["actor"] for row in rows} == {tenant.key.split("_")[2][:12]} or len({row["actor"] for row in rows}) == 1
    for secret in (made.json()["secret"], rolled.json()["secret"], NOWHERE):
        assert secret not in json.dumps(rows)


def test_keys_are_in_it_with_who_made_them_and_what_follows_them(stack: Stack, admin: str) -> None:
    made = stack.call("POST", "/keys", {"name": "one", "scopes": ["whatsapp:read"]}, key=admin).json()
    rolled = stack.call("POST", f"/keys/{made['id']}/roll", {}, key=admin).json()
    assert stack.call("POST", f"/keys/{rolled['id']}/revoke", {}, key=admin).status_code == 200
    rows = entries(stack, admin, object=made["id"])
    assert [(row["action"], row["object_id"], row["made_id"]) for row in rows] == [
        ("key.roll", made["id"], rolled["id"]), ("key.create", made["id"], None),
    ]  # fmt: skip
    by_tools = entries(stack, admin, actor="console")
    assert {row["action"] for row in by_tools} == {"tenant.create", "key.create"}
    assert made["key"] not in json.dumps(entries(stack, admin))


def test_a_repeated_call_is_in_it_as_one_that_did_nothing_more(stack: Stack, tenant: Tenant, admin: str) -> None:
    body, once = {"url": NOWHERE, "events": ["*"]}, {"Idempotency-Key": "audited"}
    first, second = (stack.call("POST", "/webhook_endpoints", body, key=tenant.key, headers=once) for _ in range(2))
    assert first.json() == second.json()
    assert [row["outcome"] for row in entries(stack, admin, object=first.json()["id"])] == ["repeated", "done"]


def test_accounts_and_numbers_are_in_it_and_what_meta_does_to_them(stack: Stack) -> None:
    number, admin = stack.connect(), stack.info["admin_key"]
    assert stack.call("POST", f"/phone_numbers/{number.id}/two_step_pin", {"pin": "918273"}).status_code == 204
    deleted, reviewed = (
        ("account_update", {"event": "ACCOUNT_DELETED"}),
        ("account_review_update", {"decision": "APPROVED"}),
    )
    now = int(time.time())
    for field, value in (deleted, deleted, reviewed):  # Meta delivers again what it believes was not taken
        entry = {"id": number.waba_id, "time": now, "changes": [{"field": field, "value": value}]}
        raw = json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()
        assert stack.webhook(raw).status_code == 200
    until(lambda: entries(stack, admin, object=number.waba_id, action="account.update"), "the last one is in it")
    by_meta = entries(stack, admin, object=number.waba_id, actor="meta")
    assert sorted((row["action"], row["detail"]) for row in by_meta) == [
        ("account.stop", "account_update"), ("account.update", "account_review_update"),
    ]  # fmt: skip
    assert stack.call("DELETE", f"/accounts/{number.waba_id}").status_code == 204
    rows = entries(stack, admin, object=number.waba_id)
    assert [row["action"] for row in rows if row["actor"] != "meta"] == ["account.disconnect", "account.connect"]
    [pin] = entries(stack, admin, object=number.id)
    assert (pin["action"], pin["outcome"]) == ("number.set_pin", "done")
    assert "918273" not in json.dumps([*rows, pin])
    assert number.made["access_token"] not in json.dumps(rows)


def test_an_erasure_is_in_it_and_the_person_is_not(
    stack: Stack, tenant: Tenant, admin: str, person: Callable[[], str]
) -> None:
    who = person()
    assert stack.call("DELETE", f"/contacts?recipient=%2B{who}", key=tenant.key).status_code == 202
    [row] = entries(stack, admin, action="contact.erase")
    assert row["outcome"] == "done"
    assert who not in json.dumps(entries(stack, admin))


def test_what_was_only_counted_is_in_it_as_a_dry_run(stack: Stack, admin: str) -> None:
    for dry_run in (True, False):
        assert stack.call("POST", "/dead_letters/replay", {"dry_run": dry_run}, key=admin).status_code == 200
    rows = entries(stack, admin, action="dead_letter.replay_many")
    assert [row["outcome"] for row in rows] == ["done", "dry_run"]


def test_pages_and_filters(stack: Stack, tenant: Tenant, admin: str) -> None:
    rows = entries(stack, admin)
    first = stack.call("GET", "/audit_log?limit=2", key=admin).json()
    assert (first["data"], first["has_more"]) == (rows[:2], True)
    following = stack.call("GET", f"/audit_log?limit=2&starting_after={rows[1]['id']}", key=admin).json()
    assert following["data"] == rows[2:4]
    times = sorted(row["at"] for row in rows)
    assert entries(stack, admin, to=times[0]) == []
    assert len(entries(stack, admin, **{"from": times[-1]})) >= 1
    refused(stack.call("GET", "/audit_log?action=nothing", key=admin), 422, "invalid_field", "action")
    refused(stack.call("GET", "/audit_log?tenant=x", key=admin), 422, "invalid_field", "tenant")
    refused(stack.call("GET", "/audit_log", key=tenant.key), 403, "missing_scope")


def test_the_command_line_lists_everybodys_and_finds_one_tenants(stack: Stack, tenant: Tenant, admin: str) -> None:
    own = json.loads(stack.cli("audit", "list", "--tenant", tenant.id, "--limit", "500", "--json"))
    assert [row["id"] for row in own] == [row["id"] for row in entries(stack, admin)]
    everybody = json.loads(stack.cli("audit", "list", "--limit", "500", "--json"))
    assert {row["tenant"] for row in everybody} > {tenant.id}
    assert "key.create" in stack.cli("audit", "list", "--action", "key.create", "--limit", "1")
