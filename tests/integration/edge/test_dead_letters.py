"""Dead letters over REST: a tenant's admin sees the tenant's own, and decides what becomes of them."""

import json
import secrets
from typing import Any

import pytest

from libs.events.topics import ACCOUNTS_COMMANDS
from tests.support.poison import OURS, spoil
from tests.support.running import Stack, until
from tests.support.shared_stack import Tenant, buried, new_key, refused


def letters(stack: Stack, key: str, query: str = "") -> list[dict[str, Any]]:
    """Return a page of dead letters."""
    answer = stack.call("GET", f"/dead_letters?{query}", key=key)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["data"]
    return rows


@pytest.fixture(scope="module")
def theirs(stack: Stack, stranger: Tenant) -> str:
    """The admin key of another tenant, which has a dead letter as well."""
    spoil(stack, stranger.id, b"theirs")
    return str(new_key(stack, "whatsapp:admin", stranger.id)["key"])


@pytest.fixture(scope="module")
def ours(stack: Stack, theirs: str) -> list[dict[str, Any]]:
    """Four dead letters of the stack's tenant, newest first; one of nobody's lies between them and the others."""
    spoil(stack, "", b"nobody's")
    spoil(stack, stack.info["tenant"], b"not json", b"\xff\xfe\x00", "ä".encode() * 40_000, b"{}")
    return letters(stack, stack.info["admin_key"], f"topic={OURS}&limit=4")


def test_each_tenant_sees_its_own(stack: Stack, ours: list[dict[str, Any]], theirs: str) -> None:
    mine = {row["id"] for row in letters(stack, stack.info["admin_key"], "limit=100")}
    foreign = {row["id"] for row in letters(stack, theirs, "limit=100")}
    assert {row["id"] for row in ours} <= mine
    assert foreign
    assert not foreign & mine
    for method, act in (("GET", ""), ("POST", "/replay"), ("POST", "/discard")):
        bodies = [
            refused(stack.call(method, f"/dead_letters/{place}{act}", key=theirs), 404, "dead_letter_not_found")
            for place in (ours[0]["id"], f"{OURS}:0:999999", f"{ACCOUNTS_COMMANDS}:0:0", "x")
        ]
        assert all(body | {"request_id": ""} == bodies[0] | {"request_id": ""} for body in bodies)
    places = [int(row["id"].rsplit(":", 1)[1]) for row in ours]
    nobody = f"{OURS}:0:{min(places) - 1}"
    refused(stack.call("GET", f"/dead_letters/{nobody}", key=stack.info["admin_key"]), 404, "dead_letter_not_found")
    assert nobody.replace(f"{OURS}:", "") in stack.cli("dead-letters", "list", OURS, "--json")  # the operator sees all


def test_the_list_is_newest_first_and_goes_on_where_it_ended(stack: Stack, ours: list[dict[str, Any]]) -> None:
    admin = stack.info["admin_key"]
    first = letters(stack, admin, f"topic={OURS}&limit=2")
    rest = letters(stack, admin, f"topic={OURS}&limit=2&starting_after={first[-1]['id']}")
    assert [row["id"] for row in first + rest] == [row["id"] for row in ours]
    assert {(row["source"]["topic"], row["service"], row["state"]) for row in first} == {
        (ACCOUNTS_COMMANDS, "edge", "open")
    }


@pytest.mark.parametrize(
    ("query", "status", "param"),
    [
        ("topic=messages.requested.v1", 422, "topic"), ("topic=no.such.dlt", 422, "topic"),
        ("state=lost", 422, "state"),
        ("limit=0", 422, "limit"), ("starting_after=x", 400, "starting_after"),
    ],
)  # fmt: skip
def test_a_wrong_question_is_refused_by_name(stack: Stack, query: str, status: int, param: str) -> None:
    refused(stack.call("GET", f"/dead_letters?{query}", key=stack.info["admin_key"]), status, param=param)


def test_a_letter_is_shown_with_its_story_and_its_value(stack: Stack, ours: list[dict[str, Any]]) -> None:
    shown = [
        stack.call("GET", f"/dead_letters/{row['id']}", key=stack.info["admin_key"]).json() for row in reversed(ours)
    ]
    assert shown[0]["value"] == {"bytes": 8, "truncated": False, "encoding": "text", "data": "not json"}
    assert shown[1]["value"] == {"bytes": 3, "truncated": False, "encoding": "base64", "data": "//4A"}
    long = shown[2]["value"]
    assert (long["bytes"], long["truncated"], long["data"]) == (80_000, True, "ä" * 32_768)
    headers = {each["name"]: each["value"]["data"] for each in shown[0]["headers"]}
    assert headers["ce_tenant"] == stack.info["tenant"]
    assert not [name for name in headers if name.startswith("dlt_")]
    assert shown[0]["record_key"]["encoding"] == "base64"
    assert (shown[0]["state"], shown[0]["reason"]) == ("open", ours[-1]["reason"])


def test_a_letter_is_replayed_once_and_dies_again_as_another(stack: Stack, ours: list[dict[str, Any]]) -> None:
    admin, place = stack.info["admin_key"], ours[0]["id"]
    before = buried(stack, OURS)
    name = {"Idempotency-Key": secrets.token_hex(8)}
    answers = [stack.call("POST", f"/dead_letters/{place}/replay", key=admin, headers=name) for _ in range(2)]
    assert [(answer.status_code, answer.json()["state"]) for answer in answers] == [(200, "replayed")] * 2
    until(lambda: buried(stack, OURS) == before + 1, "it died again", 10)
    refused(stack.call("POST", f"/dead_letters/{place}/replay", key=admin), 409, "dead_letter_replayed")
    refused(stack.call("POST", f"/dead_letters/{place}/discard", key=admin), 409, "dead_letter_replayed")
    newest = letters(stack, admin, f"topic={OURS}&limit=1")[0]
    old, new = (stack.call("GET", f"/dead_letters/{row}", key=admin).json() for row in (place, newest["id"]))
    assert (new["value"], new["headers"], new["record_key"]) == (old["value"], old["headers"], old["record_key"])
    assert place in {row["id"] for row in letters(stack, admin, "state=replayed&limit=100")}
    assert place not in {row["id"] for row in letters(stack, admin, "limit=100")}


def test_a_discarded_letter_is_out_of_the_way(stack: Stack, ours: list[dict[str, Any]]) -> None:
    admin, place = stack.info["admin_key"], ours[1]["id"]
    for _ in range(2):
        answer = stack.call("POST", f"/dead_letters/{place}/discard", key=admin)
        assert (answer.status_code, answer.json()["state"]) == (200, "discarded")
    assert place not in {row["id"] for row in letters(stack, admin, "limit=100")}
    assert place in {row["id"] for row in letters(stack, admin, "state=discarded")}
    refused(stack.call("POST", f"/dead_letters/{place}/replay", key=admin), 409, "dead_letter_discarded")
    assert json.loads(stack.call("GET", f"/dead_letters/{place}", key=admin).text)["settled_at"]
