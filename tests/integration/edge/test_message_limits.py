"""What Meta would not take is refused before it is queued, by the name of its field."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.message_kinds import FREE_FORM, INTERACTIVE, LINK
from tests.support.running import Number, Stack
from tests.support.shared_stack import Tenant, greet, newest, refused

NOBODY = "0190c0de-0000-7000-8000-000000000000"
FOUR = {"buttons": [{"type": "reply", "reply": {"id": str(i), "title": str(i)}} for i in range(4)]}
LONG = {"buttons": [{"type": "reply", "reply": {"id": "1", "title": "x" * 21}}]}

MEDIA = {"type": "image", "link": LINK}
PLACE = {"latitude": 1.5, "longitude": 2.5}

WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    ("media", {"type": "image"}, "invalid_field", "media_id"),
    ("media", MEDIA | {"media_id": "1"}, "invalid_field", "media_id"),
    ("media", {"link": LINK}, "missing_field", "type"),
    ("media", MEDIA | {"type": "gif"}, "invalid_field", "type"),
    ("media", {"type": "image", "media_id": "abc"}, "invalid_field", "media_id"),
    ("media", MEDIA | {"link": "ftp://x.test/a"}, "invalid_field", "link"),
    ("media", MEDIA | {"link": "https://"}, "invalid_field", "link"),
    ("media", MEDIA | {"caption": "x" * 1025}, "invalid_field", "caption"),
    ("media", MEDIA | {"filename": "a.jpg"}, "invalid_field", "filename"),
    ("media", MEDIA | {"type": "document", "filename": "x" * 241}, "invalid_field", "filename"),
    ("media", MEDIA | {"type": "audio", "caption": "x"}, "invalid_field", "caption"),
    ("media", MEDIA | {"type": "sticker", "caption": "x"}, "invalid_field", "caption"),
    ("media", MEDIA | {"type": "video", "voice": True}, "invalid_field", "voice"),
    ("media", MEDIA | {"colour": "red"}, "unknown_field", "colour"),
    ("interactive", {}, "missing_field", "interactive"),
    ("interactive", {"interactive": "x"}, "invalid_field", "interactive"),
    ("interactive", {"interactive": INTERACTIVE["button"] | {"action": FOUR}}, "invalid_field",
     "interactive.action.buttons"),
    ("interactive", {"interactive": INTERACTIVE["button"] | {"action": LONG}}, "invalid_field",
     "interactive.action.buttons.0.reply.title"),
    ("interactive", {"interactive": INTERACTIVE["button"] | {"action": {}}}, "missing_field",
     "interactive.action.buttons"),
    ("location", PLACE | {"latitude": 90.1}, "invalid_field", "latitude"),
    ("location", {"latitude": 1.5}, "missing_field", "longitude"),
    ("location", PLACE | {"latitude": "1.5"}, "invalid_field", "latitude"),
    ("contacts", {"contacts": []}, "invalid_field", "contacts"),
    ("contacts", {"contacts": [{"name": {"formatted_name": "Ann"}}]}, "invalid_field", "contacts.0.name"),
    ("reaction", {"message_id": NOBODY, "emoji": "ok"}, "invalid_field", "emoji"),
    ("reaction", {"message_id": "1", "emoji": "😀"}, "invalid_field", "message_id"),
    ("reaction", {"message_id": NOBODY}, "missing_field", "emoji"),
    ("reaction", {"message_id": NOBODY, "emoji": "😀", "reply_to": NOBODY}, "invalid_field", "reply_to"),
    ("reaction", {"message_id": NOBODY, "emoji": "😀"}, "target_not_found", "message_id"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "fields", "code", "param"), WRONG)
def test_a_field_that_does_not_fit_is_named_and_nothing_is_stored(
    stack: Stack, number: Number, kind: str, fields: dict[str, Any], code: str, param: str
) -> None:
    before = newest(stack, direction="outbound")
    body = {"phone_number_id": number.id, "to": "+15571234567"} | fields
    error = refused(stack.call("POST", f"/messages/{kind}", body), 422, code, param)
    assert code == "target_not_found" or param in [problem["path"] for problem in error["errors"]]
    assert newest(stack, direction="outbound") == before


@pytest.mark.parametrize("name", FREE_FORM)
def test_every_free_form_kind_needs_an_open_window(
    stack: Stack, number: Number, person: Callable[[], str], name: str
) -> None:
    path, _, fields = FREE_FORM[name]
    body = {"phone_number_id": number.id, "to": f"+{person()}"} | fields
    refused(stack.call("POST", f"/messages{path}", body), 422, "outside_customer_window", "to")


def test_a_reply_is_to_a_message_of_the_same_conversation_that_meta_knows(
    stack: Stack, number: Number, stranger: Tenant, person: Callable[[], str]
) -> None:
    one, two = person(), person()
    greet(number, one)
    greet(number, two)
    theirs = newest(stack, direction="inbound", recipient=two)
    queued = stack.call(
        "POST",
        "/messages",
        {"phone_number_id": number.id, "to": f"+{one}", "text": "x", "send_at": "2999-01-01T00:00:00Z"},
    )
    refused(queued, 422, "invalid_field", "send_at")
    body = {"phone_number_id": number.id, "to": f"+{one}", "text": "hello"}
    later = stack.call("POST", "/messages", body | {"send_at": _in_an_hour()}).json()["id"]
    for target, code in ((theirs, "target_of_another_conversation"), (NOBODY, "target_not_found"),
                         (later, "target_not_sent")):  # fmt: skip
        refused(stack.call("POST", "/messages", body | {"reply_to": target}), 422, code, "reply_to")
    to_two = {"phone_number_id": number.id, "to": f"+{two}", "message_id": theirs, "emoji": "😀"}
    reaction = stack.call("POST", "/messages/reaction", to_two).json()["id"]
    number.reaches(reaction, "sent")
    on_it = to_two | {"message_id": reaction}
    refused(stack.call("POST", "/messages/reaction", on_it), 422, "target_is_a_reaction", "message_id")


def _in_an_hour() -> str:
    return (datetime.now(UTC) + timedelta(hours=1)).isoformat()
