"""Every kind of message through its endpoint to the person, on a good day and on a bad one of Meta's."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.message_kinds import FREE_FORM, NAMES, posted, stored_templates
from tests.support.running import Number, Stack, until
from tests.support.shared_stack import greet, install

# Meta refuses for a while, breaks down, and takes the message without saying so.
FAULTS: list[dict[str, Any]] = [
    {"kind": "error", "code": 131016},
    {"kind": "http_5xx", "status": 500, "body": "graph"},
    {"kind": "accept_then_reset"},
]


@pytest.fixture(scope="module")
def shop(stack: Stack, number: Number) -> Number:
    """A number whose account has a template with every sort of component."""
    install(stack, number, *stored_templates())
    return number


def send(number: Number, name: str, who: str) -> str:
    """Post a kind of message and return its id."""
    wanted = posted(number, name, who)
    answer = number.stack.call("POST", wanted["path"], wanted["body"])
    assert answer.status_code == 202, f"{name}: {answer.text}"
    return str(answer.json()["id"])


def at_meta(stack: Stack, message_id: str) -> list[dict[str, Any]]:
    return [each for each in stack.sends() if each["biz_opaque_callback_data"] == message_id]


def befriend(number: Number, person: Callable[[], str]) -> dict[str, str]:
    """Return somebody who wrote for every kind."""
    people = {name: person() for name in NAMES}
    for who in people.values():
        number.hears(who)
    for who in people.values():
        greet(number, who)
    return people


def test_every_kind_is_delivered_as_it_was_posted(stack: Stack, shop: Number, person: Callable[[], str]) -> None:
    people = befriend(shop, person)
    ids = {name: send(shop, name, who) for name, who in people.items()}
    for name, message_id in ids.items():
        row = shop.reaches(message_id, "delivered", "failed")
        assert row["status"] == "delivered", f"{name}: {row['error']}"
        assert row["type"] == posted(shop, name, "")["type"]
    for name, (_, kind, fields) in FREE_FORM.items():
        sent = at_meta(stack, ids[name])
        assert len(sent) == 1
        content = sent[0]["body"][kind]
        for field in set(fields) & {"interactive", "contacts"}:
            assert content == fields[field], name
        for field in set(fields) & {"caption", "filename", "voice", "link", "latitude", "name"}:
            assert content[field] == fields[field], name


def test_every_kind_goes_once_whatever_meta_does_first(stack: Stack, shop: Number, person: Callable[[], str]) -> None:
    people, other = befriend(shop, person), person()
    greet(shop, other)
    ids: dict[str, str] = {}
    for name, who in people.items():
        for fault in FAULTS:  # one attempt each, in this order
            stack.box("POST", "/faults", {"to": who, "count": 1, **fault})
        ids[name] = send(shop, name, who)
    waited_for = dict(ids)

    def all_there() -> bool:
        for name, message_id in list(waited_for.items()):
            row = stack.message(message_id)
            assert row["status"] != "failed", f"{name}: {row['error']}"
            if row["status"] == "delivered":
                assert row["attempts"] == len(FAULTS), f"{name}: {row['history']}"
                del waited_for[name]
        shop.send(other, "so that Graph is seen to answer, and webhooks to flow")
        return not waited_for

    until(all_there, "all are delivered", 45, 0.3)
    log = Counter(each["biz_opaque_callback_data"] for each in stack.sends())
    assert {name: log[message_id] for name, message_id in ids.items()} == dict.fromkeys(ids, 1)


def test_a_reaction_and_a_reply_name_the_message_they_are_about(
    stack: Stack, shop: Number, person: Callable[[], str]
) -> None:
    who = person()
    greet(shop, who, "which colour?")
    query = f"/messages?direction=inbound&recipient={who}&phone_number_id={shop.id}"
    asked = stack.call("GET", query).json()["data"][0]
    to = {"phone_number_id": shop.id, "to": f"+{who}"}
    reply = stack.call("POST", "/messages", to | {"text": "red", "reply_to": asked["id"]}).json()["id"]
    row = shop.reaches(reply, "delivered")
    assert row["reply_to"] == asked["id"]
    assert at_meta(stack, reply)[0]["body"]["context"] == {"message_id": asked["wamid"]}
    for target in (asked, row):
        for emoji in ("😀", "1️⃣", "❤️", "👩‍👩‍👧", ""):
            body = to | {"message_id": target["id"], "emoji": emoji}
            answer = stack.call("POST", "/messages/reaction", body)
            assert answer.status_code == 202, answer.text
            reacted = shop.reaches(answer.json()["id"], "sent", "failed")
            assert reacted["status"] == "sent", reacted["error"]
            sent = at_meta(stack, reacted["id"])[0]["body"]["reaction"]
            assert sent == {"message_id": target["wamid"], "emoji": emoji}


def uploaded(number: Number, content: bytes, mime_type: str) -> str:
    """Upload a file at Meta and return its id."""
    answer = number.stack.http.post(
        f"{number.stack.info['sandbox']}/v25.0/{number.id}/media", files={"file": ("a", content, mime_type)},
        data={"messaging_product": "whatsapp", "type": mime_type},
        headers={"Authorization": f"Bearer {number.made['access_token']}"},
    )  # fmt: skip
    return str(answer.json()["id"])


def test_an_uploaded_file_goes_as_what_it_is_and_meta_says_so_where_it_is_not(
    stack: Stack, shop: Number, person: Callable[[], str]
) -> None:
    who = person()
    greet(shop, who)
    picture = uploaded(shop, b"\x89PNG\r\n\x1a\n" + b"x" * 100, "image/png")
    song = uploaded(shop, b"ID3" + b"x" * 100, "audio/mpeg")
    note = uploaded(shop, b"OggS" + b"x" * 100, "audio/ogg")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"type": "image", "media_id": picture, "caption": "A picture"}, "delivered"),
        ({"type": "video", "media_id": picture}, "failed"),
        ({"type": "audio", "media_id": song}, "delivered"),
        ({"type": "audio", "media_id": song, "voice": True}, "failed"),
        ({"type": "audio", "media_id": note, "voice": True}, "delivered"),
    ]
    for fields, end in cases:
        body = {"phone_number_id": shop.id, "to": f"+{who}"} | fields
        answer = stack.call("POST", "/messages/media", body)
        assert answer.status_code == 202, answer.text
        row = shop.reaches(answer.json()["id"], "delivered", "failed")
        assert row["status"] == end, fields
        assert end == "delivered" or row["error"]["code"] == "media_not_usable"
