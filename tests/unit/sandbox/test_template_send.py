from typing import Any

import pytest

from services.sandbox.checks.template_send import check_envelope, check_sendable, check_values
from services.sandbox.checks.template_shape import shape_of
from services.sandbox.errors import GraphError
from services.sandbox.model import Template
from tests.support.message_kinds import TEMPLATES

ORDER: list[dict[str, Any]] = [
    {"type": "HEADER", "format": "IMAGE"},
    {"type": "BODY", "text": "Hi {{1}}, order {{2}} is on its way."},
    {"type": "BUTTONS", "buttons": [
        {"type": "QUICK_REPLY", "text": "Stop"},
        {"type": "URL", "text": "Track", "url": "https://x.test/{{1}}"},
        {"type": "COPY_CODE", "example": "SAVE"},
    ]},
]  # fmt: skip
IMAGE: dict[str, Any] = {"type": "header", "parameters": [{"type": "image", "image": {"id": "1"}}]}
BODY: dict[str, Any] = {"type": "body", "parameters": [{"type": "text", "text": "Ann"}, {"type": "text", "text": "42"}]}
URL: dict[str, Any] = {
    "type": "button",
    "sub_type": "url",
    "index": "1",
    "parameters": [{"type": "text", "text": "42"}],
}
COUPON: dict[str, Any] = {
    "type": "button", "sub_type": "copy_code", "index": 2,
    "parameters": [{"type": "coupon_code", "coupon_code": "SAVE"}],
}  # fmt: skip
FULL = [IMAGE, BODY, URL, COUPON]


def body(*values: Any) -> dict[str, Any]:
    return {"type": "body", "parameters": list(values)}


def words(text: Any) -> dict[str, Any]:
    return {"type": "text", "text": text}


def fill(
    stored: list[dict[str, Any]], *components: dict[str, Any], category: str = "UTILITY", named: bool = False
) -> None:
    check_values(shape_of(category, "NAMED" if named else "POSITIONAL", stored), list(components))


def refused(stored: list[dict[str, Any]], *components: dict[str, Any], **more: Any) -> GraphError:
    with pytest.raises(GraphError) as error:
        fill(stored, *components, **more)
    return error.value


def test_a_send_that_fills_everything_is_taken() -> None:
    fill(ORDER, *FULL)
    fill(
        ORDER,
        *FULL,
        {
            "type": "button",
            "sub_type": "quick_reply",
            "index": 0,
            "parameters": [{"type": "payload", "payload": "stop"}],
        },
    )
    fill([{"type": "BODY", "text": "No variables."}])


@pytest.mark.parametrize(
    ("components", "code", "details"),
    [
        ([IMAGE, body(words("Ann")), URL, COUPON], 132000, "(1) does not match the expected number of params (2)"),
        ([IMAGE, URL, COUPON], 132000, "body: number of localizable_params (0)"),
        ([BODY, URL, COUPON], 132000, "header"),
        ([{"type": "header", "parameters": [words("x")]}, BODY, URL, COUPON], 132012, "expected IMAGE, received TEXT"),
        ([IMAGE, BODY, COUPON], 131008, "Button at index 1 of type Url requires a parameter"),
        ([IMAGE, BODY, URL], 131008, "Button at index 2 of type Copy Code requires a parameter"),
        ([*FULL, URL | {"index": 7}], 131009, "no button at index 7"),
        ([IMAGE, BODY, URL | {"sub_type": "quick_reply"}, COUPON], 131009, "sub_type invalid at index: 1"),
        ([IMAGE, body(words("Ann"), words("a\nb")), URL, COUPON], 132018, "new-line"),
        ([IMAGE, body(words("Ann"), words("a     b")), URL, COUPON], 132018, "consecutive spaces"),
        ([IMAGE, body(words("Ann"), words("")), URL, COUPON], 131008, "missing text value"),
        ([IMAGE, body(words("Ann"), {"type": "image"}), URL, COUPON], 132012, "expected TEXT, received IMAGE"),
        ([IMAGE, body(words("x" * 600), words("x" * 600)), URL, COUPON], 132005, "hydrated"),
        ([IMAGE, body(words("Ann"), words(42)), URL, COUPON], 100, "must be a string"),
    ],
)  # fmt: skip
def test_a_send_that_does_not_fit_its_template_is_refused(components: list[Any], code: int, details: str) -> None:
    error = refused(ORDER, *components)
    assert error.code == code
    assert details in (error.details or error.message)


def test_named_variables_are_filled_by_name_in_any_order() -> None:
    stored = [{"type": "BODY", "text": "Hi {{name}}, see you in {{city}}."}]
    values = [words("Oslo") | {"parameter_name": "city"}, words("Ann") | {"parameter_name": "name"}]
    fill(stored, body(*values), named=True)
    assert (
        refused(stored, body(words("Oslo"), words("Ann")), named=True).details == "Parameter name is missing or empty"
    )
    assert refused(stored, body(values[0], values[0]), named=True).code == 132018


def test_a_one_time_password_is_short_and_sent_twice() -> None:
    stored: list[dict[str, Any]] = [
        {"type": "BODY"},
        {"type": "BUTTONS", "buttons": [{"type": "URL", "url": "https://w.test/otp{{1}}"}]},
    ]
    button = URL | {"index": "0"}
    fill(stored, body(words("123456")), button, category="AUTHENTICATION")
    assert refused(stored, body(words("1" * 16)), button, category="AUTHENTICATION").code == 132018
    assert refused(stored, body(words("123456")), category="AUTHENTICATION").code == 131008


def test_a_carousel_is_filled_card_by_card() -> None:
    card: dict[str, Any] = {
        "components": [{"type": "HEADER", "format": "IMAGE"}, {"type": "BODY", "text": "Only {{1}} now."}]
    }
    stored: list[dict[str, Any]] = [{"type": "BODY", "text": "Look."}, {"type": "CAROUSEL", "cards": [card, card]}]
    filled = [{"card_index": index, "components": [IMAGE, body(words("5"))]} for index in range(2)]
    fill(stored, {"type": "carousel", "cards": filled})
    assert refused(stored, {"type": "carousel", "cards": filled[:1]}).code == 132000
    assert (
        refused(stored, {"type": "carousel", "cards": [filled[0], {"card_index": 1, "components": [IMAGE]}]}).code
        == 132000
    )
    assert refused(stored).code == 132000


@pytest.mark.parametrize(
    ("status", "code"),
    [("PENDING", 132001), ("REJECTED", 132001), ("PAUSED", 132015), ("DISABLED", 132016), (None, 132001)],
)
def test_only_an_approved_template_is_sent(status: str | None, code: int) -> None:
    template = Template("1", "2", "order", "en_US", "UTILITY", [], status) if status else None
    with pytest.raises(GraphError) as error:
        check_sendable(template, "order", "en_US")
    assert error.value.code == code
    assert error.value.http_status == (404 if code == 132001 else 400)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ({"language": {"code": "en"}}, "The parameter template['name'] is required."),
        ({"name": "a"}, "The parameter template['language'] is required."),
        ({"name": "a", "language": "en"}, "Param template['language'] must be a JSON object."),
        ({"name": "a", "language": {}}, "The parameter template['language']['code'] is required."),
        ({"name": "a", "language": {"code": "en", "policystring": 1}}, 'Unexpected key "policystring" on param'),
        ({"name": "a", "language": {"code": "en"}, "components": {"type": "body"}}, "must be an array"),
        ({"name": "a", "language": {"code": "en"}, "components": [{"type": "foot"}]}, "must be one of {BODY, BUTTON"),
    ],
)
def test_an_envelope_that_is_malformed_is_refused(template: dict[str, Any], words: str) -> None:
    with pytest.raises(GraphError) as error:
        check_envelope(template)
    assert error.value.code == 100
    assert words in error.value.message


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_kind_of_value_is_taken(name: str) -> None:
    category, form, stored, given = TEMPLATES[name]
    _, _, components = check_envelope({"name": name, "language": {"code": "en_US"}, "components": given})
    check_values(shape_of(category, form, stored), components)


@pytest.mark.parametrize(
    ("name", "place", "parameter", "code"),
    [
        ("positional", 1, {"type": "currency", "currency": {"fallback_value": "1", "code": "USD"}}, 100),
        ("product_header", 0, {"type": "product", "product": {"product_retailer_id": "p"}}, 100),
        ("buttons", 3, {"type": "action", "action": {"colour": "red"}}, 100),
        ("catalog", 0, {"type": "action", "action": {"colour": "red"}}, 100),
        ("products", 0, {"type": "action", "action": {}}, 131008),
        ("offer", 0, {"type": "limited_time_offer", "limited_time_offer": {"expiration_time_ms": "soon"}}, 131009),
        ("offer", 0, {"type": "text", "text": "soon"}, 132012),
        ("tap_target", 1, {"type": "tap_target_configuration", "tap_target_configuration": [{"url": "x"}]}, 100),
    ],
)  # fmt: skip
def test_a_rich_value_that_does_not_fit_is_refused(name: str, place: int, parameter: dict[str, Any], code: int) -> None:
    category, form, stored, given = TEMPLATES[name]
    wrong = given[place] | {"parameters": [*given[place]["parameters"][:-1], parameter]}
    with pytest.raises(GraphError) as refusal:
        check_values(shape_of(category, form, stored), [*given[:place], wrong, *given[place + 1 :]])
    assert refusal.value.code == code
