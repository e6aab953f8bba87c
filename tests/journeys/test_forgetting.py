"""A person asks to be forgotten: nobody knows them any more, and every count stays."""

import base64
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo import MongoClient

from libs.runtime.ids import new_id
from tests.integration.sender.test_rates import template
from tests.support.campaigns import STORED, becomes, draft, launched
from tests.support.receiver import Receiver, receiving
from tests.support.running import Number, Stack, until
from tests.support.shared_stack import AT_ONCE, Tenant, all_rows, greet, install, refused

SECRET = "the-secret-of-somebody"  # what was written, on either side
SOON = 30.0  # seconds until a deletion has gone everywhere
# Encrypted, and gone after two days; and the names of numbers and templates, which are nobody's.
NOT_OF_PEOPLE = {"idempotency_keys"}


@pytest.fixture(scope="module")
def shop(stack: Stack) -> Number:
    number = stack.connect(throughput=1000, messaging_limit="UNLIMITED")
    install(stack, number, *STORED)
    return number


@pytest.fixture(scope="module")
def heard(stack: Stack) -> Iterator[Receiver]:
    """An endpoint that is told everything."""
    with receiving() as receiver:
        body = {"url": receiver.url("/forgotten"), "events": ["*"]}
        made = stack.call("POST", "/webhook_endpoints", body)
        assert made.status_code == 201, made.text
        yield receiver
        stack.call("DELETE", f"/webhook_endpoints/{made.json()['id']}")


def contact_of(stack: Stack, who: str) -> str:
    def look() -> str | None:
        rows = stack.call("GET", f"/contacts?recipient={who}").json()["data"]
        return str(rows[0]["id"]) if rows else None

    found: str = until(look, "there is a contact", 15)
    return found


def forget(stack: Stack, contact_id: str) -> None:
    answer = stack.call("DELETE", f"/contacts/{contact_id}")
    assert (answer.status_code, answer.json()) == (202, {"id": contact_id, "object": "contact", "deleted": True})


def traces(stack: Stack, who: str, *besides: str) -> list[str]:
    """Return where in the database something of a person stands: their number, plain or in Meta's ids, or words."""
    packed = who.encode() + b"\x15\x02\x00"  # as it stands in Meta's ids
    inside = base64.b64encode(packed[: len(packed) // 3 * 3]).decode()
    found = []
    client: MongoClient[dict[str, Any]]
    with MongoClient(stack.info["mongo"], tz_aware=True) as client:
        database: Any = client[stack.info["mongo_database"]]
        for name in set(database.list_collection_names()) - NOT_OF_PEOPLE - set(besides):
            for row in database[name].find():
                text = repr(row)
                found += [f"{name}: {text[:300]}" for part in (who, inside, SECRET) if part in text]
    return found


def await_oblivion(stack: Stack, who: str, *besides: str) -> None:
    """Wait until nothing of a person is left."""
    end = time.monotonic() + SOON
    while (left := traces(stack, who, *besides)) and time.monotonic() < end:
        time.sleep(0.5)
    assert left == []


STAY = 30  # looks in a row at figures that are all there


def figures(stack: Stack, shop: Number, campaign_id: str) -> dict[str, Any]:
    """Return what is counted of a number and of a campaign."""
    asked = {"funnel": "funnel", "costs": "costs", "days": "timeseries"}
    found = {
        name: stack.call("GET", f"/analytics/{path}?phone_number_id={shop.id}").json() for name, path in asked.items()
    }
    kept = {name: {key: value for key, value in each.items() if key != "as_of"} for name, each in found.items()}
    for each in kept.values():
        each.pop("from", None), each.pop("to", None)
    return kept | {"campaign": stack.call("GET", f"/campaigns/{campaign_id}/progress").json()}


def settled(stack: Stack, shop: Number, campaign_id: str, sent: int) -> dict[str, Any]:
    """Wait until so many sent messages are counted, and all that was said meanwhile; -> all figures.

    What people wrote is counted apart from what was sent to them, so that only figures that stay are all of it.
    """
    seen: list[dict[str, Any]] = []

    def stays() -> bool:
        found = figures(stack, shop, campaign_id)
        if found["funnel"]["delivered"] != sent or (seen and found != seen[-1]):
            seen.clear()
        seen.append(found)
        return len(seen) == STAY

    until(stays, "all is counted", 20)
    return seen[-1]


def test_everything_of_a_person_goes_and_every_count_stays(
    stack: Stack, shop: Number, heard: Receiver, germans: Callable[[int], list[str]]
) -> None:
    who, other = germans(2)
    for each in (who, other):
        greet(shop, each, SECRET if each == who else "hello")
    texts = [shop.send(each, SECRET if each == who else "hello").json()["id"] for each in (who, other)]
    campaign_id = launched(shop, [who, other], "sale")
    waiting = draft(shop, [who, other], "sale")
    becomes(stack, campaign_id, "completed")
    for message_id in texts:
        shop.reaches(message_id, "delivered")
    before = settled(stack, shop, campaign_id, 4)
    heard.waits("/forgotten", 6, "message.delivered", "message.received")
    assert len(traces(stack, who)) > 5
    contact_id = contact_of(stack, who)
    forget(stack, contact_id)
    refused(stack.call("GET", f"/contacts/{contact_id}"), 404, "contact_not_found")
    await_oblivion(stack, who)
    refused(stack.call("DELETE", f"/contacts/{contact_id}"), 404, "contact_not_found")
    assert figures(stack, shop, campaign_id) == before
    row = stack.message(texts[0])
    assert {name: row[name] for name in ("status", "forgotten", "to", "content", "wamid")} == {
        "status": "delivered", "forgotten": True, "to": None, "content": None, "wamid": None
    }  # fmt: skip
    assert stack.message(texts[1])["to"] == f"+{other}", "nobody else is touched"
    assert len(traces(stack, other)) > 5
    rows = {row["to"]: row for row in all_rows(stack, f"/campaigns/{waiting}/recipients")}
    assert set(rows) == {None, f"+{other}"}
    assert (rows[None]["state"], rows[None]["error"]["code"]) == ("skipped", "contact_forgotten")
    assert {row["to"] for row in all_rows(stack, f"/campaigns/{campaign_id}/recipients")} == {None, f"+{other}"}
    export = stack.call("GET", f"/campaigns/{campaign_id}/recipients/export").text
    assert who not in export


def test_whoever_was_only_written_to_or_only_stands_in_a_draft_is_forgotten_too(
    stack: Stack, shop: Number, germans: Callable[[int], list[str]]
) -> None:
    written_to, drafted = germans(2)
    fault = stack.box("POST", "/faults", {"kind": "webhooks_dropped", "share": 1, "to": written_to})
    try:
        message_id = template(shop, written_to)
        row = shop.reaches(message_id, "accepted")
        refused(stack.call("GET", f"/contacts/{row['contact_id']}"), 404, "contact_not_found")
        forget(stack, row["contact_id"])
    finally:
        stack.box("DELETE", f"/faults/{fault['id']}")
    waiting = draft(shop, [drafted], "sale")
    answer = stack.call("DELETE", f"/contacts?recipient={drafted}")
    assert (answer.status_code, answer.json()["deleted"]) == (202, True)
    await_oblivion(stack, written_to)
    await_oblivion(stack, drafted)
    assert stack.call("GET", f"/campaigns/{waiting}").json()["counts"]["skipped"] == 1
    refused(stack.call("DELETE", "/contacts"), 422, "invalid_field", "recipient")
    refused(stack.call("DELETE", "/contacts?recipient=me"), 422, "invalid_field", "recipient")


def test_who_writes_again_is_met_anew(stack: Stack, shop: Number, person: Callable[[], str]) -> None:
    who = person()
    greet(shop, who, SECRET)
    forget(stack, contact_of(stack, who))
    await_oblivion(stack, who)
    shop.hears(who, "hello again")
    fresh = stack.call("GET", f"/contacts/{contact_of(stack, who)}").json()
    assert fresh["consent_history"] == []
    message_id = shop.send(who, "welcome").json()["id"]
    assert shop.reaches(message_id, "delivered")["to"] == f"+{who}"
    thread = stack.call("GET", f"/messages?recipient={who}&limit=100").json()["data"]
    assert [row["forgotten"] for row in thread] == [False, False, True]


def test_who_opted_out_stays_opted_out_and_nothing_else_is_known(
    stack: Stack, shop: Number, germans: Callable[[int], list[str]]
) -> None:
    [who] = germans(1)
    greet(shop, who, "STOP")
    contact_id = contact_of(stack, who)
    until(lambda: stack.call("GET", f"/contacts/{contact_id}").json()["consent"]["marketing"]["state"] == "opted_out",
          "they are opted out", 10)  # fmt: skip
    forget(stack, contact_id)
    await_oblivion(stack, who, "contacts")
    left = stack.call("GET", f"/contacts/{contact_id}").json()
    assert set(left["identities"].values()) == {None}
    assert (left["windows"], left["consent_history"], left["forgotten_at"] is not None) == ([], [], True)
    body = {"phone_number_id": shop.id, "to": f"+{who}", "template": "sale", "language": "en_US", "components": [
        {"type": "body", "parameters": [{"type": "text", "text": "you"}]}]}  # fmt: skip
    refused(stack.call("POST", "/messages/template", body), 422, "recipient_opted_out")


def test_what_waits_for_them_is_canceled(stack: Stack, shop: Number, person: Callable[[], str]) -> None:
    who = person()
    greet(shop, who)
    at = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    body = {"phone_number_id": shop.id, "to": f"+{who}", "text": SECRET, "send_at": at}
    message_id = stack.call("POST", "/messages", body).json()["id"]
    forget(stack, contact_of(stack, who))
    await_oblivion(stack, who)
    assert stack.message(message_id)["status"] == "canceled"


def test_what_they_said_to_a_bot_goes_too(stack: Stack, person: Callable[[], str]) -> None:
    number, who = stack.connect(throughput=1000), person()
    asks = {"name": "ask", "steps": [{"name": "one", "ask": {"text": "One?"}, "save": "one"},
                                     {"name": "two", "ask": {"text": "Two, {{one}}?"}}]}  # fmt: skip
    rule = {"match": {"type": "exact", "value": "ask"}, "dialogue": "ask"}
    bot = {"name": "asks", "kind": "rules", "rules": [rule], "dialogues": [asks]}
    bot_id = stack.call("POST", "/bots", bot).json()["id"]
    stack.call("POST", f"/phone_numbers/{number.id}/link-bot", {"bot_id": bot_id})
    stack.call("POST", f"/phone_numbers/{number.id}/autoreply", {"enabled": True})
    greet(number, who, "ask")
    until(lambda: len(all_rows(stack, f"/bots/{bot_id}/decisions")) == 1, "it asks", 10)
    number.hears(who, SECRET)
    until(lambda: any("bot_talks" in each for each in traces(stack, who)), "it remembers", 10)
    forget(stack, contact_of(stack, who))
    await_oblivion(stack, who)


def test_what_meta_says_later_brings_nothing_back(stack: Stack, shop: Number, person: Callable[[], str]) -> None:
    who = person()
    greet(shop, who)
    stack.box("PUT", "/timing", AT_ONCE | {"delivered": 4})
    try:
        message_id = shop.send(who, SECRET).json()["id"]
        shop.reaches(message_id, "sent")
        forget(stack, contact_of(stack, who))
        until(lambda: stack.message(message_id)["forgotten"], "it is forgotten", SOON)
        assert shop.reaches(message_id, "delivered", seconds=10)["wamid"] is None
    finally:
        stack.box("PUT", "/timing", AT_ONCE)
    await_oblivion(stack, who)
    refused(stack.call("POST", "/messages/reaction", {
        "phone_number_id": shop.id, "to": f"+{who}", "message_id": message_id, "emoji": "x",
    }), 422)  # fmt: skip


def test_an_edge_that_dies_right_after_its_answer_has_forgotten_nobody_half(
    stack: Stack, shop: Number, person: Callable[[], str]
) -> None:
    who = person()
    greet(shop, who, SECRET)
    shop.reaches(shop.send(who, SECRET).json()["id"], "delivered")
    forget(stack, contact_of(stack, who))
    stack.kill("edge")
    stack.restart("edge")
    await_oblivion(stack, who)
    owned = "wabus_consumer_partitions"
    until(lambda: stack.metric("edge", owned), "the dead one's session is over, and edge reads commands again", 60)


def test_one_key_for_two_people_does_not_leave_the_second_as_they_are(
    stack: Stack, shop: Number, person: Callable[[], str]
) -> None:
    first, second = person(), person()
    for who in (first, second):
        greet(shop, who)
        contact_of(stack, who)
    given = {"Idempotency-Key": new_id()}
    assert stack.call("DELETE", f"/contacts?recipient={first}", headers=given).status_code == 202
    refused(stack.call("DELETE", f"/contacts?recipient={second}", headers=given), 422, "idempotency_key_reused")
    assert stack.call("DELETE", f"/contacts?recipient={first}", headers=given).headers["Idempotent-Replayed"] == "true"


def test_an_endpoint_that_was_disabled_keeps_nothing_of_them(
    stack: Stack, shop: Number, person: Callable[[], str]
) -> None:
    who = person()
    with receiving() as receiver:
        body = {"url": receiver.url("/once"), "events": ["message.received"]}
        endpoint_id = stack.call("POST", "/webhook_endpoints", body).json()["id"]
        greet(shop, who, SECRET)
        receiver.waits("/once", 1, "message.received")
        changed = stack.call("PATCH", f"/webhook_endpoints/{endpoint_id}", {"status": "disabled"})
        assert changed.status_code == 200, changed.text
    forget(stack, contact_of(stack, who))
    await_oblivion(stack, who)
    stack.call("DELETE", f"/webhook_endpoints/{endpoint_id}")


def test_nobody_forgets_anothers_contacts(
    stack: Stack, shop: Number, stranger: Tenant, person: Callable[[], str]
) -> None:
    who = person()
    greet(shop, who)
    contact_id = contact_of(stack, who)
    answer = stack.call("DELETE", f"/contacts/{contact_id}", key=stranger.key)
    refused(answer, 404, "contact_not_found", "contact_id")
    for name in (new_id(), "nobody"):
        refused(stack.call("DELETE", f"/contacts/{name}"), 404, "contact_not_found")
    assert contact_of(stack, who) == contact_id
