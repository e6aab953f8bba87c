from collections.abc import Callable
from typing import Any

import pytest

from tests.support.running import Number, Stack, until

KINDS: dict[str, dict[str, Any]] = {
    "text": {"text": {"body": "hello"}},
    "image": {"image": {"caption": "look"}},
    "audio": {},
    "video": {},
    "document": {},
    "sticker": {},
    "location": {"location": {"latitude": 48.1, "longitude": 11.6, "name": "Here"}},
    "contacts": {"contacts": [{"name": {"formatted_name": "A B"}, "phones": [{"phone": "+1 555"}]}]},
    "reaction": {"reaction": {"message_id": "wamid.abc", "emoji": "👍"}},
    "button": {"button": {"text": "Yes", "payload": "YES"}},
    "interactive": {"interactive": {"type": "button_reply", "button_reply": {"id": "a", "title": "A"}}},
    "order": {"order": {"catalog_id": "1", "product_items": []}},
    "system": {"system": {"body": "changed", "type": "user_changed_number", "wa_id": "15559990000"}},
    "unsupported": {"errors": [{"code": 131051, "title": "Message type unknown"}]},
    "request_welcome": {},
    "hologram": {"hologram": {"colour": "blue", "list": [1, {"a.b": 2, "$c": None}]}},
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_of_every_type_is_stored_and_listed(
    stack: Stack, number: Number, person: Callable[[], str], kind: str
) -> None:
    who = person()
    wrote = {"phone_number_id": number.id, "from": who, "type": kind, "name": "Ada", **KINDS[kind]}
    wamid = stack.box("POST", "/inbound", wrote)["id"]
    path = f"/messages?direction=inbound&recipient={who}&type={kind}"
    row = until(lambda: stack.call("GET", path).json()["data"], "it is listed", 10)[0]
    assert (row["type"], row["from"], row["wamid"], row["status"]) == (kind, who, wamid, "received")
    assert stack.message(row["id"]) == row
    if kind in KINDS[kind]:
        given = KINDS[kind][kind]
        shown = row["content"]
        assert shown == given if isinstance(given, list) else given.items() <= shown.items()


def heard(stack: Stack, who: str) -> dict[str, Any]:
    """Wait until somebody's message is listed, and return it."""
    path = f"/messages?direction=inbound&recipient={who}"
    found: list[dict[str, Any]] = until(lambda: stack.call("GET", path).json()["data"], f"{who} was heard", 10)
    return found[0]


def test_somebody_without_a_number_is_heard_and_can_be_answered(
    stack: Stack, number: Number, person: Callable[[], str]
) -> None:
    user = f"US.{person()}8655302741"
    wrote = {"phone_number_id": number.id, "from_user_id": user, "type": "text", "text": {"body": "hi"}}
    stack.box("POST", "/inbound", wrote)
    row = until(lambda: stack.call("GET", f"/messages?direction=inbound&recipient={user}").json()["data"], "heard", 10)[
        0
    ]
    assert (row["from"], row["user_id"]) == (user, user)
    answer = stack.call("POST", "/messages", {"phone_number_id": number.id, "to": user, "text": "hello"})
    assert answer.status_code == 202
    assert number.reaches(answer.json()["id"], "delivered")["to"] == user


def test_who_came_from_an_ad_has_the_referral_on_the_message(
    stack: Stack, number: Number, person: Callable[[], str]
) -> None:
    who = person()
    referral = {"source_type": "ad", "source_id": "123", "source_url": "https://fb.me/x", "headline": "Offer"}
    wrote = {"phone_number_id": number.id, "from": who, "type": "text", "text": {"body": "hi"}, "referral": referral}
    stack.box("POST", "/inbound", wrote)
    row = until(lambda: stack.call("GET", f"/messages?direction=inbound&recipient={who}").json()["data"], "heard", 10)[
        0
    ]
    assert row["referral"]["source_id"] == "123"
