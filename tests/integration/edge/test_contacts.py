import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.running import Number, Stack, until
from tests.support.shared_stack import Tenant, greet, refused

NOBODY = "0192f0c1-2f6e-7cc0-8000-000000000000"


def rows(stack: Stack, path: str, key: str | None = None) -> list[dict[str, Any]]:
    answer = stack.call("GET", path, key=key or stack.key)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


@pytest.fixture(scope="module")
def shop(stack: Stack) -> Number:
    """A number of these tests' own, so that its conversations are theirs."""
    return stack.connect(throughput=1000)


def test_a_contact_shows_who_it_is_its_windows_and_its_consent(
    stack: Stack, shop: Number, person: Callable[[], str]
) -> None:
    who = person()
    wrote = {"phone_number_id": shop.id, "from": who, "type": "text", "text": {"body": "hi"}, "name": "Ada"}
    stack.box("POST", "/inbound", wrote | {"username": "@ada"})
    (row,) = until(lambda: rows(stack, f"/contacts?recipient=%2B{who}"), "they are a contact", 10)
    assert row["identities"] == {
        "phone": f"+{who}", "wa_id": who, "user_id": row["identities"]["user_id"], "username": "@ada",
        "profile_name": "Ada",
    }  # fmt: skip
    assert row["identities"]["user_id"].startswith("US.")
    (window,) = row["windows"]
    assert (window["phone_number_id"], window["open"], window["free_entry_until"]) == (shop.id, True, None)
    assert row["consent"]["marketing"] == {"state": "none", "person": None, "api": None}
    shown = stack.call("GET", f"/contacts/{row['id']}").json()
    assert shown == row | {"consent_history": []}
    assert rows(stack, f"/contacts?recipient={row['identities']['user_id']}") == [row]
    message = rows(stack, f"/messages?recipient={who}")[0]
    assert (message["contact_id"], message["conversation_id"]) == (row["id"], window["conversation_id"])


def test_contacts_are_listed_newest_first_by_pages(stack: Stack, shop: Number, person: Callable[[], str]) -> None:
    people = [person() for _ in range(3)]
    for who in people:
        greet(shop, who)
    seen: list[str] = []
    after = ""
    for _ in range(3):
        page = stack.call("GET", f"/contacts?limit=1{after}").json()
        assert page["has_more"]
        seen += [row["identities"]["wa_id"] for row in page["data"]]
        after = f"&starting_after={page['data'][0]['id']}"
    assert seen == people[::-1]


def test_conversations_are_listed_by_their_last_message_and_by_pages(stack: Stack, person: Callable[[], str]) -> None:
    shop = stack.connect()
    people = [person() for _ in range(3)]
    for seconds, who in zip((30, 20, 10), people, strict=True):  # Meta's times are whole seconds
        wrote = {"phone_number_id": shop.id, "from": who, "type": "text", "text": {"body": "hi"}}
        stack.box("POST", "/inbound", wrote | {"timestamp": str(int(time.time()) - seconds)})
    until(lambda: all(rows(stack, f"/messages?recipient={who}") for who in people), "they were heard", 10)
    answer = shop.send(people[0])
    path = f"/conversations?phone_number_id={shop.id}"
    order = [people[0], people[2], people[1]]
    seen, after = [], ""
    for _ in order:
        page = stack.call("GET", f"{path}&limit=1{after}").json()
        seen += [row["identities"]["wa_id"] for row in page["data"]]
        after = f"&starting_after={page['data'][0]['id']}"
    assert seen == order
    newest = rows(stack, f"{path}&limit=1")[0]
    assert newest["last_outbound_message_id"] == newest["last_message_id"] == answer.json()["id"]
    assert stack.message(newest["last_inbound_message_id"])["from"] == people[0]
    assert stack.call("GET", f"/conversations/{newest['id']}").json() == newest
    assert newest["window"]["open"] is True
    whole = [row["id"] for row in rows(stack, f"{path}&limit=100")]
    assert len(whole) == len(set(whole)) >= 3
    assert rows(stack, f"/conversations?contact_id={newest['contact_id']}") == [newest]
    assert rows(stack, f"/conversations?contact_id={newest['contact_id']}&window=closed") == []
    assert rows(stack, f"/conversations?contact_id={NOBODY}") == []


def test_conversations_are_narrowed_to_open_and_closed_windows(
    stack: Stack, shop: Number, person: Callable[[], str]
) -> None:
    told, wrote = person(), person()
    stack.call("POST", "/opt_outs", {"to": f"+{told}"})
    greet(shop, wrote)
    path = f"/conversations?phone_number_id={shop.id}&limit=100"
    wrote_long_ago = {"phone_number_id": shop.id, "from": told, "type": "text", "text": {"body": "hi"}}
    stack.box("POST", "/inbound", wrote_long_ago | {"timestamp": "1700000000"})
    until(lambda: rows(stack, f"/messages?recipient={told}"), "it was heard", 10)
    is_open, is_closed = (
        {row["identities"]["wa_id"] for row in rows(stack, f"{path}&window={way}")} for way in ("open", "closed")
    )
    assert wrote in is_open
    assert told in is_closed
    assert not is_open & is_closed


def test_the_conversation_that_a_message_names_is_between_its_number_and_its_contact(
    stack: Stack, shop: Number, person: Callable[[], str]
) -> None:
    who = person()
    greet(shop, who)
    sent = shop.send(who).json()["id"]
    row = stack.call("GET", f"/conversations/{stack.message(sent)['conversation_id']}").json()
    assert (row["phone_number_id"], row["contact_id"]) == (shop.id, stack.message(sent)["contact_id"])


def test_another_tenant_sees_nobody(stack: Stack, shop: Number, stranger: Tenant, person: Callable[[], str]) -> None:
    who = person()
    greet(shop, who)
    contact = rows(stack, f"/contacts?recipient={who}")[0]
    conversation = contact["windows"][0]["conversation_id"]
    for path in (
        "/contacts", f"/contacts?recipient={who}", "/conversations", f"/conversations?phone_number_id={shop.id}",
        f"/conversations?contact_id={contact['id']}",
    ):  # fmt: skip
        assert rows(stack, path, stranger.key) == []
    for kind, foreign in (("contacts", contact["id"]), ("conversations", conversation)):
        answers = [stack.call("GET", f"/{kind}/{each}", key=stranger.key) for each in (foreign, NOBODY, "x")]
        told = [refused(answer, 404, f"{kind[:-1]}_not_found") | {"request_id": ""} for answer in answers]
        assert told[0] == told[1] == told[2]
        refused(stack.call("GET", f"/{kind}?starting_after={foreign}", key=stranger.key), 422, param="starting_after")


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("/contacts?colour=red", "colour"), ("/contacts?recipient=x", "recipient"), ("/contacts?limit=0", "limit"),
        ("/conversations?window=ajar", "window"), ("/conversations?contact_id=1", "contact_id"),
        ("/conversations?recipient=1", "recipient"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_by_name(stack: Stack, path: str, param: str) -> None:
    refused(stack.call("GET", path), 422, "invalid_field", param)
