from typing import Any

import pytest

from libs.graph.template_parameters import problems
from tests.support.message_kinds import LINK, TEMPLATES

BODY = {"type": "BODY", "text": "Hi {{1}}, order {{2}}."}
BUTTONS = {
    "type": "BUTTONS",
    "buttons": [{"type": "QUICK_REPLY", "text": "Stop"}, {"type": "URL", "url": "https://x.test/{{1}}"}],
}


IMAGE = {"type": "header", "parameters": [{"type": "image", "image": {"id": "1"}}]}


def _text(text: str, name: str | None = None) -> dict[str, Any]:
    return {"type": "text", "text": text} | ({"parameter_name": name} if name else {})


def _body(*parameters: dict[str, Any]) -> dict[str, Any]:
    return {"type": "body", "parameters": list(parameters)}


def _button(index: Any, sub_type: str = "url", kind: str = "text") -> dict[str, Any]:
    return {"type": "button", "sub_type": sub_type, "index": index, "parameters": [{"type": kind, kind: "abc"}]}


@pytest.mark.parametrize(
    ("stored", "given", "form"),
    [
        ([BODY], [_body(_text("Ann"), _text("7"))], "POSITIONAL"),
        ([{"type": "BODY", "text": "Hi {{name}}"}], [_body(_text("Ann", "name"))], "NAMED"),
        ([{"type": "BODY", "text": "Hi"}], [], "POSITIONAL"),
        ([{"type": "BODY", "text": "Hi"}, BUTTONS], [_button("1")], "POSITIONAL"),
        ([{"type": "BODY", "text": "Hi"}, BUTTONS], [_button(1), _button(0, "quick_reply", "payload")], "POSITIONAL"),
        ([{"type": "HEADER", "format": "IMAGE"}], [IMAGE], "POSITIONAL"),
        ([{"type": "BODY", "add_security_recommendation": True}, {"type": "BUTTONS", "buttons": [{"type": "OTP"}]}],
         [_body(_text("abc")), _button("0")], "POSITIONAL"),
        *((stored, given, form) for _, form, stored, given in TEMPLATES.values()),
    ],
)  # fmt: skip
def test_what_fits_is_taken(stored: list[Any], given: list[Any], form: str) -> None:
    assert problems(stored, form, given) == []


@pytest.mark.parametrize(
    ("stored", "given", "path"),
    [
        ([BODY], [], "components"),
        ([BODY], [_body(_text("Ann"))], "components.0.parameters"),
        ([BODY], [_body(_text("Ann"), _text("a\nb"))], "components.0.parameters.1.text"),
        ([BODY], [_body(_text("Ann"), _text("  "))], "components.0.parameters.1.text"),
        ([BODY], [_body(_text("Ann"), _text("x" * 1025))], "components.0.parameters.1.text"),
        ([BODY], [_body(_text("Ann"), {"type": "image"})], "components.0.parameters.1.type"),
        ([BODY], [_body(_text("A"), _text("B")), _body(_text("A"), _text("B"))], "components.1"),
        ([BODY], [{"type": "body", "parameters": "x"}], "components.0.parameters"),
        ([BODY], [{"type": "footer"}], "components.0.type"),
        ([{"type": "BODY", "text": "Hi"}, BUTTONS], [], "components"),
        ([{"type": "BODY", "text": "Hi"}, BUTTONS], [_button("1"), _button("2")], "components.1.index"),
        ([{"type": "BODY", "text": "Hi"}, BUTTONS], [_button("1", "quick_reply")], "components.0.sub_type"),
        ([{"type": "HEADER", "format": "IMAGE"}], [{"type": "header", "parameters": [{"type": "image", "image": {}}]}],
         "components.0.parameters.0.image"),
        ([{"type": "BODY", "text": "Hi"}], [{"type": "header", "parameters": []}], "components.0"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(stored: list[Any], given: list[Any], path: str) -> None:
    assert path in [problem.path for problem in problems(stored, "POSITIONAL", given)]


def changed(name: str, place: int, parameter: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """Return a template's stored components, and its send with the last parameter of one component changed."""
    _, _, stored, given = TEMPLATES[name]
    component = given[place] | {"parameters": [*given[place]["parameters"][:-1], parameter]}
    return stored, [*given[:place], component, *given[place + 1 :]]


def cards(name: str, card: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """Return a carousel's stored components, and its send with a field of the first card changed."""
    _, _, stored, given = TEMPLATES[name]
    first, *rest = given[1]["cards"]
    return stored, [given[0], {"type": "carousel", "cards": [first | card, *rest]}]


OTHER = {
    "currency without a code": (
        changed("positional", 1, {"type": "currency", "currency": {"fallback_value": "$1", "amount_1000": 1}}),
        "components.1.parameters.2.currency.code",
    ),
    "amount in words": (
        changed("positional", 1, {"type": "currency", "currency": {
            "fallback_value": "$1", "code": "USD", "amount_1000": "1"}}),
        "components.1.parameters.2.currency.amount_1000",
    ),
    "date without a fallback": (
        changed("positional", 1, {"type": "date_time", "date_time": {"day": 1}}),
        "components.1.parameters.2.date_time.fallback_value",
    ),
    "unknown field of a parameter": (
        changed("positional", 1, {"type": "text", "text": "a", "bold": True}), "components.1.parameters.2.bold",
    ),
    "document by id and link": (
        changed("document_header", 0, {"type": "document", "document": {"id": "1", "link": LINK}}),
        "components.0.parameters.0.document",
    ),
    "caption on a header": (
        changed("document_header", 0, {"type": "document", "document": {"id": "1", "caption": "a"}}),
        "components.0.parameters.0.document.caption",
    ),
    "id in words": (
        changed("document_header", 0, {"type": "document", "document": {"id": "abc"}}),
        "components.0.parameters.0.document.id",
    ),
    "latitude too far north": (
        changed("location_header", 0, {"type": "location", "location": {"latitude": 91, "longitude": "0"}}),
        "components.0.parameters.0.location.latitude",
    ),
    "product without a catalog": (
        changed("product_header", 0, {"type": "product", "product": {"product_retailer_id": "p1"}}),
        "components.0.parameters.0.product.catalog_id",
    ),
    "long payload": (
        changed("buttons", 0, {"type": "payload", "payload": "x" * 129}), "components.0.parameters.0.payload",
    ),
    "long coupon": (
        changed("buttons", 2, {"type": "coupon_code", "coupon_code": "x" * 21}),
        "components.2.parameters.0.coupon_code",
    ),
    "flow data in words": (
        changed("buttons", 3, {"type": "action", "action": {"flow_action_data": "x"}}),
        "components.3.parameters.0.action.flow_action_data",
    ),
    "unknown field of an action": (
        changed("catalog", 0, {"type": "action", "action": {"picture": "p1"}}),
        "components.0.parameters.0.action.picture",
    ),
    "products without sections": (
        changed("products", 0, {"type": "action", "action": {}}), "components.0.parameters.0.action.sections",
    ),
    "offer without an end": (
        changed("offer", 0, {"type": "limited_time_offer", "limited_time_offer": {}}),
        "components.0.parameters.0.limited_time_offer.expiration_time_ms",
    ),
    "tap that leads nowhere": (
        changed("tap_target", 1, {"type": "tap_target_configuration", "tap_target_configuration": [
            {"url": "ftp://x", "title": "a"}]}),
        "components.1.parameters.0.tap_target_configuration.0.url",
    ),
    "two codes": (changed("code", 1, {"type": "text", "text": "654321"}), "components.1.parameters.0.text"),
    "long code": (changed("code", 0, {"type": "text", "text": "1" * 16}), "components.0.parameters.0.text"),
    "card in another place": (cards("carousel", {"card_index": 1}), "components.1.cards.0.card_index"),
    "card without its header": (cards("carousel", {"components": []}), "components.1.cards.0.components"),
    "footer in a card": (
        cards("carousel", {"components": [{"type": "footer"}]}), "components.1.cards.0.components.0.type",
    ),
    "wrong button in a card": (
        cards("carousel", {"components": [{"type": "button", "sub_type": "url", "index": 5}]}),
        "components.1.cards.0.components.0.index",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHER)
def test_each_wrong_value_is_named_by_its_exact_path(name: str) -> None:
    (stored, given), path = OTHER[name]
    assert path in [problem.path for problem in problems(stored, "POSITIONAL", given)]


def test_a_body_grows_with_its_values_no_further_than_meta_lets_it() -> None:
    stored = [{"type": "BODY", "text": f"{'x' * 24} {{{{1}}}}"}]
    assert problems(stored, "POSITIONAL", [_body(_text("a" * 999))]) == []
    assert [it.path for it in problems(stored, "POSITIONAL", [_body(_text("a" * 1000))])] == ["components.0.parameters"]


def test_a_button_whose_address_is_fixed_takes_nothing() -> None:
    stored: list[Any] = [
        {"type": "BODY", "text": "Hi"},
        {"type": "BUTTONS", "buttons": [{"type": "URL", "url": "https://x.test"}]},
    ]
    assert [it.path for it in problems(stored, "POSITIONAL", [_button(0)])] == ["components.0"]


def test_an_offer_that_ends_needs_its_end() -> None:
    _, _, stored, given = TEMPLATES["offer"]
    assert [it.path for it in problems(stored, "POSITIONAL", given[1:])] == ["components"]


def test_names_must_be_those_of_the_template() -> None:
    stored = [{"type": "BODY", "text": "Hi {{name}}"}]
    assert problems(stored, "NAMED", [_body(_text("Ann", "nome"))])
    assert problems(stored, "NAMED", [_body(_text("Ann"))])
