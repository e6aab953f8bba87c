from typing import Any

import pytest

from services.sandbox.checks.message import check_message, check_read
from services.sandbox.errors import GraphError
from tests.support.message_kinds import INTERACTIVE

BASE = {"messaging_product": "whatsapp", "to": "+1 (555) 000-0001"}
BUTTON = {"type": "reply", "reply": {"id": "yes", "title": "Yes"}}
CARD = {
    "card_index": 0, "type": "cta_url", "header": {"type": "image", "image": {"id": "1"}},
    "action": {"name": "cta_url", "parameters": {"display_text": "Go", "url": "https://example.test"}},
}  # fmt: skip
ROW = {"id": "r1", "title": "Row"}


def message(kind: str, content: Any, **more: Any) -> dict[str, Any]:
    return BASE | {"type": kind, kind: content} | more


def interactive(kind: str, action: Any, **more: Any) -> dict[str, Any]:
    return message("interactive", {"type": kind, "body": {"text": "Pick"}, "action": action} | more)


def list_of(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"button": "Menu", "sections": [{"title": "All", "rows": list(rows)}]}


FINE = {
    "text": message("text", {"body": "x" * 4096, "preview_url": False}),
    "type left out": BASE | {"text": {"body": "hi"}},
    "type in capitals": BASE | {"type": "TEXT", "text": {"body": "hi"}},
    "unknown key beside the message": message("text", {"body": "hi"}, something="else"),
    "image by link": message("image", {"link": "https://example.test/a.jpg", "caption": "c" * 1024}),
    "document by id": message("document", {"id": "123", "filename": "a.pdf"}),
    "voice": message("audio", {"id": "123", "voice": True}),
    "sticker": message("sticker", {"id": "123"}),
    "location in strings": message("location", {"latitude": "37.44", "longitude": "-122.16", "name": "Home"}),
    "contacts": message(
        "contacts", [{"name": {"formatted_name": "Ann B", "first_name": "Ann"}, "phones": [{"phone": "+1"}]}]
    ),
    "reaction": message("reaction", {"message_id": "wamid.x", "emoji": "😀"}),
    "reaction taken back": message("reaction", {"message_id": "wamid.x", "emoji": ""}),
    "contextual reply": message("text", {"body": "hi"}, context={"message_id": "wamid.x"}),
    "buttons": interactive(
        "button", {"buttons": [BUTTON]}, header={"type": "text", "text": "Hi"}, footer={"text": "f"}
    ),
    "list": interactive("list", list_of(ROW), body={"text": "x" * 4096}),
    "url button": interactive(
        "cta_url", {"name": "cta_url", "parameters": {"display_text": "Go", "url": "https://example.test"}}
    ),
    "location request": interactive("location_request_message", {"name": "send_location"}),
    "flow": interactive(
        "flow", {"name": "flow", "parameters": {"flow_message_version": "3", "flow_id": "1", "flow_cta": "Open"}}
    ),
    "product": message("interactive", {"type": "product", "action": {"catalog_id": "1", "product_retailer_id": "2"}}),
    "carousel": interactive(
        "carousel",
        {"cards": [CARD | {"card_index": i} for i in range(2)]},
    ),
    "reaction with a keycap": message("reaction", {"message_id": "wamid.x", "emoji": "1️⃣"}),
    **{f"interactive {name}": message("interactive", body) for name, body in INTERACTIVE.items()},
}

WRONG: dict[str, tuple[dict[str, Any], int, str]] = {
    "no product": ({"to": "15550000001"}, 100, "The parameter messaging_product is required."),
    "other product": (BASE | {"messaging_product": "x"}, 100, 'must be one of {WHATSAPP} - got "x"'),
    "no recipient": ({"messaging_product": "whatsapp", "text": {"body": "hi"}}, 100, "The parameter to is required."),
    "recipient is a number": (message("text", {"body": "hi"}, to=15550000001), 100, "Param to must be a string."),
    "recipient is words": (message("text", {"body": "hi"}, to="+1'; --"), 131009, "valid phone number"),
    "unknown type": (BASE | {"type": "hologram"}, 100, 'Param type must be one of {AUDIO, CONTACTS'),
    "no text": (BASE | {"type": "text"}, 100, "The parameter text is required."),
    "text is a string": (message("text", "hi"), 100, "Param text must be a JSON object."),
    "no body": (message("text", {}), 100, "The parameter text['body'] is required."),
    "empty body": (message("text", {"body": ""}), 100, "Param text['body'] must be at least 1 characters long."),
    "long body": (message("text", {"body": "x" * 4097}), 100, "must be at most 4096 characters long."),
    "body is a number": (message("text", {"body": 5}), 100, "Param text['body'] must be a string."),
    "unexpected key": (message("text", {"body": "a", "colour": 1}), 100, 'Unexpected key "colour" on param "text".'),
    "media without file": (message("image", {"caption": "c"}), 131008, "Exactly one of id and link"),
    "media with both": (message("image", {"id": "1", "link": "https://a.test"}), 131009, "Exactly one of id and link"),
    "audio with caption": (message("audio", {"id": "1", "caption": "c"}), 100, 'Unexpected key "caption"'),
    "long caption": (message("image", {"id": "1", "caption": "c" * 1025}), 100, "at most 1024"),
    "link is no address": (message("image", {"link": "ftp://a.test/x"}), 100, "is not a valid URI"),
    "latitude out of range": (message("location", {"latitude": 91, "longitude": 0}), 131009, "from -90 to 90"),
    "contact without formatted name": (message("contacts", [{"name": {"first_name": "A"}}]), 100, "formatted_name"),
    "contact with one name part": (message("contacts", [{"name": {"formatted_name": "A"}}]), 131009, "one more part"),
    "reaction with words": (message("reaction", {"message_id": "w", "emoji": "ok"}), 131009, "emoji"),
    "reaction as a reply": (
        message("reaction", {"message_id": "w", "emoji": "😀"}, context={"message_id": "wamid.w"}),
        131009,
        "contextual reply",
    ),
    "callback data too long": (message("text", {"body": "a"}, biz_opaque_callback_data="x" * 513), 100, "at most 512"),
    "interactive without body": (
        message("interactive", {"type": "button", "action": {"buttons": [BUTTON]}}), 131008, "interactive['body']",
    ),
    "interactive of unknown type": (interactive("slider", {}), 100, "interactive['type']"),
    "no buttons": (interactive("button", {"buttons": []}), 131009, "Min allowed buttons: 1, Max allowed buttons: 3"),
    "four buttons": (interactive("button", {"buttons": [BUTTON] * 4}), 131009, "Max allowed buttons: 3"),
    "same button twice": (interactive("button", {"buttons": [BUTTON] * 2}), 131009, "Duplicated button id"),
    "long button title": (
        interactive("button", {"buttons": [{"type": "reply", "reply": {"id": "1", "title": "x" * 21}}]}),
        131009,
        "Button title length invalid. Min length: 1, Max length: 20",
    ),
    "long button body": (
        interactive("button", {"buttons": [BUTTON]}, body={"text": "x" * 1025}), 131009, "Body text length invalid",
    ),
    "eleven rows": (
        interactive("list", {"button": "Menu", "sections": [
            {"title": "A", "rows": [{"id": f"a{i}", "title": "t"} for i in range(6)]},
            {"title": "B", "rows": [{"id": f"b{i}", "title": "t"} for i in range(5)]},
        ]}),
        131009,
        "Total row count exceed max allowed count: 10",
    ),
    "untitled sections": (
        interactive("list", {"button": "Menu", "sections": [{"rows": [ROW]}, {"rows": [ROW]}]}),
        131008,
        "Section title",
    ),
    "same row twice": (interactive("list", list_of(ROW, ROW)), 131009, "Duplicated row id"),
    "image header on a list": (
        interactive("list", list_of(ROW), header={"type": "image", "image": {"id": "1"}}), 131009, "Header type image",
    ),
    "footer on a location request": (
        interactive("location_request_message", {"name": "send_location"}, footer={"text": "f"}), 131009, "footer",
    ),
    "flow payload with data exchange": (
        interactive("flow", {"name": "flow", "parameters": {
            "flow_message_version": "3", "flow_id": "1", "flow_cta": "Open", "flow_action": "data_exchange",
            "flow_action_payload": {"screen": "A"},
        }}),
        131009,
        "only allowed with flow_action navigate",
    ),
    "quote of what is no message": (
        message("text", {"body": "hi"}, context={"message_id": "x"}), 131009, "context['message_id']",
    ),
    "carousel card without a picture": (
        interactive("carousel", {"cards": [CARD | {"header": None}, CARD | {"card_index": 1}]}), 131008, "['header']",
    ),
    "carousel card out of its place": (interactive("carousel", {"cards": [CARD, CARD]}), 131009, "must be 1"),
    "carousel of two sorts": (
        interactive("carousel", {"cards": [CARD, {
            "card_index": 1, "type": "product", "action": {"catalog_id": "1", "product_retailer_id": "2"}}]}),
        131009,
        "same type",
    ),
    "carousel card that leads nowhere": (
        interactive("carousel", {"cards": [CARD | {"action": {"name": "cta_url"}}, CARD | {"card_index": 1}]}),
        131008,
        "['parameters']",
    ),
    "address in a country without": (
        interactive("address_message", {"name": "address_message", "parameters": {"country": "DE"}}), 100, "{IN, SG}",
    ),
    "catalog with an unknown key": (
        interactive("catalog_message", {"name": "catalog_message", "parameters": {"picture": "1"}}), 100, "picture",
    ),
    "carousel of one": (
        interactive("carousel", {"cards": [{"card_index": 0, "type": "cta_url", "header": {}, "action": {}}]}),
        131009,
        "Min allowed cards: 2",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FINE)
def test_what_meta_takes_is_taken(name: str) -> None:
    assert check_message(FINE[name]).person == "15550000001"


@pytest.mark.parametrize("name", WRONG)
def test_what_meta_refuses_is_refused_in_its_words(name: str) -> None:
    body, code, words = WRONG[name]
    with pytest.raises(GraphError) as refused:
        check_message(body)
    error = refused.value
    assert error.code == code
    assert words in f"{error.message} {error.details}"
    assert error.http_status == 400
    assert error.message.startswith(f"(#{code}) ")


def test_a_business_scoped_user_id_is_a_recipient_and_a_number_wins_over_it() -> None:
    body = {"messaging_product": "whatsapp", "recipient": "US.13491208655302741918", "text": {"body": "hi"}}
    assert check_message(body).by_user_id
    assert not check_message(body | {"to": "15550000001"}).by_user_id
    with pytest.raises(GraphError):
        check_message(body | {"recipient": "13491208655302741918"})


def test_a_read_receipt_needs_the_id_of_a_message() -> None:
    assert check_read({"status": "read", "message_id": "wamid.x", "typing_indicator": {"type": "text"}}) == "wamid.x"
    for body in ({"status": "seen", "message_id": "w"}, {"status": "read"}, {"status": "read", "message_id": 5}):
        with pytest.raises(GraphError):
            check_read(body)
