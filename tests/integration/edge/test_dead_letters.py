"""Dead letters over REST: a tenant's admin sees the tenant's own, and decides what becomes of them."""

import json
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.events.topics import ACCOUNTS_COMMANDS, MESSAGES_REQUESTED, dead_letter_topic
from libs.kafka.record import Record
from tests.support.burying import bury
from tests.support.poison import OURS, spoil
from tests.support.running import Number, Stack, until
from tests.support.shared_stack import Tenant, all_rows, buried, greet, new_key, refused
from tests.support.topics import envelope

REQUESTS = dead_letter_topic(MESSAGES_REQUESTED, "edge")


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
    assert (old["replays"], new["replays"]) == (0, 1)
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


def command(stack: Stack, offset: int, value: bytes, **changes: Any) -> Record:
    """Return a command to send a message as edge read it."""
    headers = tuple(envelope(stack, **changes).headers())
    return Record(MESSAGES_REQUESTED, 0, offset, f"k{offset % 50}".encode(), value, headers, 0)


def test_of_a_thousand_that_are_replayed_all_but_the_poisonous_are_done(
    stack: Stack, number: Number, person: Callable[[], str]
) -> None:
    who, admin, error = person(), stack.info["admin_key"], f"KeyError at {secrets.token_hex(4)}"
    greet(number, who)
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()  # kept, and not sent while this test lives
    text = {"phone_number_id": number.id, "to": f"+{who}", "send_at": later}
    records = [command(stack, place, json.dumps(text | {"text": str(place)}).encode()) for place in range(999)]
    records.insert(500, command(stack, 999, b"{}", type="SendMessage.v9"))
    bury(stack, "edge", records, error)
    asked = {"topic": REQUESTS, "error": error}
    counted = stack.call("POST", "/dead_letters/replay", asked | {"dry_run": True}, key=admin).json()
    assert (counted["matched"], counted["replayed"], counted["has_more"]) == (1_000, 0, False)
    before = stack.metric("edge", "wabus_edge_dead_letters_settled_total")
    done = stack.call("POST", "/dead_letters/replay", asked, key=admin).json()
    assert (done["matched"], done["replayed"], done["without_source"]) == (1_000, 1_000, 0)
    assert stack.metric("edge", "wabus_edge_dead_letters_settled_total") == before + 1_000

    def texts() -> list[str]:
        rows = all_rows(stack, f"/messages?direction=outbound&recipient={who}")
        return sorted(row["content"]["body"] for row in rows)

    until(lambda: len(texts()) == 999, "they are messages now", 30, 0.5)
    assert texts() == sorted(str(place) for place in range(999))
    [back] = until(lambda: letters(stack, admin, f"topic={REQUESTS}&reason=unknown_type&from={_plus(later)}"), "one is")
    assert (back["state"], back["attempts"], "SendMessage.v9" in back["error"]) == ("open", 1, True)
    assert stack.call("POST", "/dead_letters/replay", asked, key=admin).json()["matched"] == 0


def _plus(later: str) -> str:
    return (datetime.fromisoformat(later) - timedelta(hours=1)).isoformat().replace("+", "%2B")


def test_what_is_not_wanted_any_more_is_discarded_with_its_reason(stack: Stack, theirs: str) -> None:
    admin, error = stack.info["admin_key"], f"KeyError at {secrets.token_hex(4)}"
    bury(stack, "edge", [command(stack, place, b"{}") for place in range(3)], error)
    refused(stack.call("POST", "/dead_letters/discard", {"error": error}, key=admin), 422, "missing_field", "why")
    asked = {"error": error, "why": "a test of ours"}
    assert stack.call("POST", "/dead_letters/discard", asked, key=theirs).json()["matched"] == 0
    first = stack.call("POST", "/dead_letters/discard", asked | {"limit": 2}, key=admin).json()
    assert (first["matched"], first["discarded"], first["has_more"]) == (2, 2, True)
    rest = json.loads(
        stack.cli("dead-letters", "discard", "--all", "--error", error, "--why", "by the operator", "--json")
    )
    assert (rest["matched"], rest["discarded"]) == (1, 1)
    gone = letters(stack, admin, f"error={error.replace(' ', '%20')}&state=discarded")
    told = {stack.call("GET", f"/dead_letters/{row['id']}", key=admin).json()["discard_reason"] for row in gone}
    assert (len(gone), told) == (3, {"a test of ours", "by the operator"})


def test_the_operator_sees_everybodys_and_replays_a_letter_once(stack: Stack, theirs: str) -> None:
    error = f"KeyError at {secrets.token_hex(4)}"
    bury(stack, "edge", [command(stack, 0, b"{}", tenant="", type="SendMessage.v9")], error)
    [row] = json.loads(stack.cli("dead-letters", "list", REQUESTS, "--error", error, "--json"))
    assert letters(stack, stack.info["admin_key"], f"error={error.replace(' ', '%20')}") == []
    shown = json.loads(stack.cli("dead-letters", "show", row["id"], "--value"))
    assert (shown["error"], shown["value"]["data"]) == (error, "{}")
    assert "value" not in json.loads(stack.cli("dead-letters", "show", row["id"]))
    assert json.loads(stack.cli("dead-letters", "replay", row["id"], "--json"))["replayed"] == 1
    with pytest.raises(AssertionError, match="dead_letter_replayed"):
        stack.cli("dead-letters", "replay", row["id"])
