"""One good body of every kind of message, by the path it is posted to and the type it has in lists and commands."""

from typing import Any

from tests.support.running import Number

LINK = "https://files.example.test/a"
BUTTON = {"type": "reply", "reply": {"id": "yes", "title": "Yes"}}
ROW = {"id": "r1", "title": "Row", "description": "The first"}
TEXT_HEADER = {"type": "text", "text": "Today"}
IMAGE_HEADER = {"type": "image", "image": {"link": LINK}}


def interactive(kind: str, action: Any, **more: Any) -> dict[str, Any]:
    """Return an interactive object with a body."""
    return {"type": kind, "body": {"text": "Pick one"}, "action": action} | more


def card(index: int) -> dict[str, Any]:
    """Return a card of a carousel of links."""
    parameters = {"display_text": "Look", "url": LINK}
    return {
        "card_index": index, "type": "cta_url", "header": IMAGE_HEADER, "body": {"text": "A card"},
        "action": {"name": "cta_url", "parameters": parameters},
    }  # fmt: skip


INTERACTIVE: dict[str, dict[str, Any]] = {
    "button": interactive("button", {"buttons": [BUTTON]}, header=TEXT_HEADER, footer={"text": "Thanks"}),
    "list": interactive("list", {"button": "Menu", "sections": [{"title": "All", "rows": [ROW]}]}),
    "cta_url": interactive(
        "cta_url", {"name": "cta_url", "parameters": {"display_text": "Go", "url": LINK}}, header=IMAGE_HEADER
    ),
    "location_request_message": interactive("location_request_message", {"name": "send_location"}),
    "flow": interactive(
        "flow",
        {"name": "flow", "parameters": {
            "flow_message_version": "3", "flow_id": "1", "flow_cta": "Open", "flow_action": "navigate",
            "flow_action_payload": {"screen": "START", "data": {"a.b": "$c"}},
        }},
    ),
    "product": {"type": "product", "action": {"catalog_id": "1", "product_retailer_id": "p1"}},
    "product_list": interactive(
        "product_list",
        {"catalog_id": "1", "sections": [{"title": "All", "product_items": [{"product_retailer_id": "p1"}]}]},
        header=TEXT_HEADER,
    ),
    "catalog_message": interactive(
        "catalog_message", {"name": "catalog_message", "parameters": {"thumbnail_product_retailer_id": "p1"}}
    ),
    "address_message": interactive(
        "address_message", {"name": "address_message", "parameters": {"country": "IN", "values": {"name": "Ann"}}}
    ),
    "carousel": interactive("carousel", {"cards": [card(0), card(1)]}),
}  # fmt: skip

CONTACT = {
    "name": {"formatted_name": "Ann Bee", "first_name": "Ann"}, "phones": [{"phone": "+15550001111", "type": "CELL"}],
    "org": {"company": "Bee"}, "birthday": "1990-01-31",
}  # fmt: skip

# name -> (path below /messages, type in lists, the endpoint's own fields)
FREE_FORM: dict[str, tuple[str, str, dict[str, Any]]] = {
    "text": ("", "text", {"text": "See https://example.test", "preview_url": True}),
    "image": ("/media", "image", {"type": "image", "link": LINK, "caption": "A picture"}),
    "document": ("/media", "document", {"type": "document", "link": LINK, "caption": "Read", "filename": "a.pdf"}),
    "audio": ("/media", "audio", {"type": "audio", "link": LINK}),
    "voice": ("/media", "audio", {"type": "audio", "link": LINK, "voice": True}),
    "video": ("/media", "video", {"type": "video", "link": LINK, "caption": "A film"}),
    "sticker": ("/media", "sticker", {"type": "sticker", "link": LINK}),
    "location": ("/location", "location", {"latitude": 37.44, "longitude": -122.16, "name": "Home", "address": "1 St"}),
    "contacts": ("/contacts", "contacts", {"contacts": [CONTACT]}),
    **{name: ("/interactive", "interactive", {"interactive": body}) for name, body in INTERACTIVE.items()},
}

_TEXT = {"type": "text", "text": "Ann"}
_MEDIA_CARD = {"components": [
    {"type": "HEADER", "format": "IMAGE"}, {"type": "BODY", "text": "Only {{1}}"},
    {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Buy"}, {"type": "URL", "text": "See",
                                                                           "url": "https://x.test/{{1}}"}]},
]}  # fmt: skip


def _button(index: int, sub_type: str, parameter: dict[str, Any]) -> dict[str, Any]:
    return {"type": "button", "sub_type": sub_type, "index": str(index), "parameters": [parameter]}


def _sent_card(index: int) -> dict[str, Any]:
    return {"card_index": index, "components": [
        {"type": "header", "parameters": [{"type": "image", "image": {"link": LINK}}]},
        {"type": "body", "parameters": [_TEXT]},
        _button(0, "quick_reply", {"type": "payload", "payload": "buy"}),
        _button(1, "url", {"type": "text", "text": "a"}),
    ]}  # fmt: skip


# name -> (category, parameter format, stored components, components of the send)
TEMPLATES: dict[str, tuple[str, str, list[dict[str, Any]], list[dict[str, Any]]]] = {
    "plain": ("UTILITY", "POSITIONAL", [{"type": "BODY", "text": "Thank you"}], []),
    "positional": (
        "UTILITY", "POSITIONAL",
        [{"type": "HEADER", "format": "TEXT", "text": "Hi {{1}}"},
         {"type": "BODY", "text": "{{1}} costs {{2}} on {{3}}."}],
        [{"type": "header", "parameters": [_TEXT]}, {"type": "body", "parameters": [
            _TEXT, {"type": "currency", "currency": {"fallback_value": "$1", "code": "USD", "amount_1000": 1000}},
            {"type": "date_time", "date_time": {"fallback_value": "Monday"}}]}],
    ),
    "named": (
        "UTILITY", "NAMED", [{"type": "BODY", "text": "Hi {{name}}."}],
        [{"type": "body", "parameters": [{"type": "text", "parameter_name": "name", "text": "Ann"}]}],
    ),
    "document_header": (
        "UTILITY", "POSITIONAL", [{"type": "HEADER", "format": "DOCUMENT"}, {"type": "BODY", "text": "Your bill"}],
        [{"type": "header", "parameters": [{"type": "document", "document": {"link": LINK, "filename": "bill.pdf"}}]}],
    ),
    "location_header": (
        "UTILITY", "POSITIONAL", [{"type": "HEADER", "format": "LOCATION"}, {"type": "BODY", "text": "Here"}],
        [{"type": "header", "parameters": [{"type": "location", "location": {
            "latitude": "1.5", "longitude": "2.5", "name": "Home", "address": "1 St"}}]}],
    ),
    "buttons": (
        "UTILITY", "POSITIONAL",
        [{"type": "BODY", "text": "Pick"}, {"type": "BUTTONS", "buttons": [
            {"type": "QUICK_REPLY", "text": "Yes"}, {"type": "URL", "text": "Go", "url": "https://x.test/{{1}}"},
            {"type": "COPY_CODE"}, {"type": "FLOW", "text": "Open"}, {"type": "PHONE_NUMBER", "text": "Call"}]}],
        [_button(0, "quick_reply", {"type": "payload", "payload": "yes"}), _button(1, "url", _TEXT),
         _button(2, "copy_code", {"type": "coupon_code", "coupon_code": "SAVE20"}),
         _button(3, "flow", {"type": "action", "action": {"flow_token": "t", "flow_action_data": {"a": 1}}})],
    ),
    "catalog": (
        "UTILITY", "POSITIONAL",
        [{"type": "BODY", "text": "All"}, {"type": "BUTTONS", "buttons": [{"type": "CATALOG", "text": "View"}]}],
        [_button(0, "catalog", {"type": "action", "action": {"thumbnail_product_retailer_id": "p1"}})],
    ),
    "products": (
        "UTILITY", "POSITIONAL",
        [{"type": "BODY", "text": "All"}, {"type": "BUTTONS", "buttons": [{"type": "MPM", "text": "View"}]}],
        [_button(0, "mpm", {"type": "action", "action": {"thumbnail_product_retailer_id": "p1", "sections": [
            {"title": "Best", "product_items": [{"product_retailer_id": "p1"}]}]}})],
    ),
    "product_header": (
        "UTILITY", "POSITIONAL", [{"type": "HEADER", "format": "PRODUCT"}, {"type": "BODY", "text": "This one"}],
        [{"type": "header", "parameters": [
            {"type": "product", "product": {"product_retailer_id": "p1", "catalog_id": "1"}}]}],
    ),
    "carousel": (
        "UTILITY", "POSITIONAL",
        [{"type": "BODY", "text": "Look {{1}}"}, {"type": "CAROUSEL", "cards": [_MEDIA_CARD] * 2}],
        [{"type": "body", "parameters": [_TEXT]}, {"type": "carousel", "cards": [_sent_card(0), _sent_card(1)]}],
    ),
    "offer": (
        "UTILITY", "POSITIONAL",
        [{"type": "LIMITED_TIME_OFFER", "limited_time_offer": {"text": "Ends soon", "has_expiration": True}},
         {"type": "BODY", "text": "Half price"}, {"type": "BUTTONS", "buttons": [
             {"type": "COPY_CODE"}, {"type": "URL", "text": "Go", "url": "https://x.test/{{1}}"}]}],
        [{"type": "limited_time_offer", "parameters": [
            {"type": "limited_time_offer", "limited_time_offer": {"expiration_time_ms": 1_900_000_000_000}}]},
         _button(0, "copy_code", {"type": "coupon_code", "coupon_code": "SAVE20"}), _button(1, "url", _TEXT)],
    ),
    "code": (
        "AUTHENTICATION", "POSITIONAL",
        [{"type": "BODY", "add_security_recommendation": True},
         {"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "COPY_CODE", "text": "Copy"}]}],
        [{"type": "body", "parameters": [{"type": "text", "text": "123456"}]},
         _button(0, "url", {"type": "text", "text": "123456"})],
    ),
    "tap_target": (
        "UTILITY", "POSITIONAL", [{"type": "HEADER", "format": "IMAGE"}, {"type": "BODY", "text": "Tap"}],
        [{"type": "header", "parameters": [{"type": "image", "image": {"link": LINK}}]},
         {"type": "tap_target_configuration", "parameters": [{"type": "tap_target_configuration",
             "tap_target_configuration": [{"url": "https://x.test", "title": "Offers"}]}]}],
    ),
}  # fmt: skip


def stored_templates() -> list[dict[str, Any]]:
    """Return the templates as Meta has them."""
    return [
        {
            "name": f"kind_{name}",
            "language": "en_US",
            "category": category,
            "parameter_format": form,
            "components": parts,
        }
        for name, (category, form, parts, _) in TEMPLATES.items()
    ]


def posted(number: Number, name: str, who: str) -> dict[str, Any]:
    """Return the whole body of a kind, free-form or `template:<name>`, with its path under `path`."""
    to = {"phone_number_id": number.id, "to": f"+{who}"}
    if name.startswith("template:"):
        own = name.removeprefix("template:")
        body = {"template": f"kind_{own}", "language": "en_US", "components": TEMPLATES[own][3]}
        return {"path": "/messages/template", "type": "template", "body": to | body}
    path, kind, fields = FREE_FORM[name]
    return {"path": f"/messages{path}", "type": kind, "body": to | fields}


NAMES = [*FREE_FORM, *(f"template:{name}" for name in TEMPLATES)]
