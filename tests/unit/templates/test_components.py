from typing import Any

import pytest

from services.templates.components import problems, ttl_problem

BODY = {"type": "BODY", "text": "Hello {{1}}, thank you", "example": {"body_text": [["Ada"]]}}
PLAIN = {"type": "BODY", "text": "Hello"}
REPLY = {"type": "QUICK_REPLY", "text": "Stop"}
CALL = {"type": "PHONE_NUMBER", "text": "Call", "phone_number": "+1 (555) 000-1234"}
URL = {"type": "URL", "text": "Track", "url": "https://example.com/{{1}}", "example": ["https://example.com/1"]}
OTP = {"type": "OTP", "otp_type": "COPY_CODE", "text": "Copy"}
CODE = {"type": "BODY", "add_security_recommendation": True}
APP = {"package_name": "com.example.app", "signature_hash": "K8a/AINcGX7"}
OFFER = {"type": "LIMITED_TIME_OFFER", "limited_time_offer": {"text": "Now", "has_expiration": True}}
IMAGE = {"type": "HEADER", "format": "IMAGE", "example": {"header_handle": ["4::aW"]}}


def buttons(*listed: dict[str, Any]) -> dict[str, Any]:
    return {"type": "BUTTONS", "buttons": list(listed)}


def card(*more: dict[str, Any], header: dict[str, Any] = IMAGE) -> dict[str, Any]:
    return {"components": [header, *more]}


def carousel(*cards: dict[str, Any]) -> dict[str, Any]:
    return {"type": "CAROUSEL", "cards": list(cards)}


def header(**more: Any) -> dict[str, Any]:
    return {"type": "HEADER", "format": "TEXT"} | more


def body(text: str, **example: Any) -> dict[str, Any]:
    return {"type": "BODY", "text": text, "example": example}


def paths(components: list[dict[str, Any]], category: str = "MARKETING", form: str = "POSITIONAL") -> list[str]:
    return [problem.path for problem in problems(category, form, components)]


@pytest.mark.parametrize(
    "components",
    [
        [BODY], [PLAIN, {"type": "footer", "text": "Bye"}],
        [header(text="News"), BODY, buttons(REPLY, REPLY | {"text": "2"})],
        [header(text="For {{1}}", example={"header_text": ["Ada"]}), PLAIN], [IMAGE, PLAIN],
        [{"type": "HEADER", "format": "LOCATION"}, PLAIN], [PLAIN, buttons(REPLY, URL, CALL)],
        [PLAIN, buttons(URL, CALL, REPLY)], [PLAIN, buttons({"type": "COPY_CODE", "example": "SALE25"})],
        [PLAIN, buttons({"type": "FLOW", "text": "Book", "flow_id": "1", "flow_action": "navigate"})],
        [PLAIN, buttons({"type": "CATALOG", "text": "View"})], [PLAIN, buttons({"type": "MPM", "text": "View items"})],
        [PLAIN, OFFER, buttons({"type": "COPY_CODE", "example": ["SALE25"]}, URL)],
        [PLAIN, carousel(card(BODY, buttons(REPLY, URL)), card(BODY, buttons(REPLY, URL)))],
        [body("Hi {{1}} and {{2}}, and {{1}} again", body_text=["a", "b"])],
    ],
)  # fmt: skip
def test_what_meta_takes_passes(components: list[dict[str, Any]]) -> None:
    assert problems("MARKETING", "POSITIONAL", components) == []


@pytest.mark.parametrize(
    ("components", "path"),
    [
        ([REPLY], "components.0.type"), ([buttons(REPLY)], "components"), ([BODY, BODY], "components.1"),
        ([header(text="x" * 61), BODY], "components.0.text"), ([header(text="a\nb"), BODY], "components.0.text"),
        ([header(text=""), BODY], "components.0.text"), ([header(format="SONG"), BODY], "components.0.format"),
        ([header(text="{{1}} {{2}}", example={"header_text": ["a", "b"]}), BODY], "components.0.text"),
        ([header(text="For {{1}}"), BODY], "components.0.example.header_text"),
        ([{"type": "HEADER", "format": "VIDEO"}, BODY], "components.0.example.header_handle"),
        ([body("x" * 1025)], "components.0.text"), ([{"type": "BODY"}], "components.0.text"),
        ([body("Hi {{2}}, you", body_text=["a"])], "components.0.text"),
        ([body("{{1}} hello", body_text=["a"])], "components.0.text"),
        ([body("hello {{1}}", body_text=["a"])], "components.0.text"),
        ([body("a {{1}} {{2}} b", body_text=["a", "b"])], "components.0.text"),
        ([body("a {{1}} b {{ c", body_text=["a"])], "components.0.text"),
        ([body("a {{#1}} b", body_text=["a"])], "components.0.text"),
        ([body("a {{name}} b", body_text=["a"])], "parameter_format"),
        ([body("Hi {{1}}, you")], "components.0.example.body_text"),
        ([body("Hi {{1}}, you", body_text=[["a", "b"]])], "components.0.example.body_text"),
        ([PLAIN, {"type": "FOOTER", "text": "x" * 61}], "components.1.text"),
        ([PLAIN, {"type": "FOOTER", "text": "Bye {{1}}"}], "components.1.text"),
        ([PLAIN, buttons()], "components.1.buttons"), ([PLAIN, buttons(*[REPLY] * 11)], "components.1.buttons"),
        ([PLAIN, {"type": "BUTTONS", "buttons": "all"}], "components.1.buttons"),
        ([PLAIN, buttons(REPLY | {"text": "x" * 26})], "components.1.buttons.0.text"),
        ([PLAIN, buttons(REPLY | {"text": "{{1}}"})], "components.1.buttons.0.text"),
        ([PLAIN, buttons(REPLY, {"type": "BELL", "text": "x"})], "components.1.buttons.1.type"),
        ([PLAIN, buttons(REPLY, URL, REPLY)], "components.1.buttons.2"),
        ([PLAIN, buttons(URL, URL, URL)], "components.1.buttons"),
        ([PLAIN, buttons(CALL, CALL)], "components.1.buttons"),
        ([PLAIN, buttons(URL | {"url": "ftp://x"})], "components.1.buttons.0.url"),
        ([PLAIN, buttons(URL | {"url": "https://x/{{1}}/y"})], "components.1.buttons.0.url"),
        ([PLAIN, buttons(URL | {"url": "https://x/" + "y" * 2000})], "components.1.buttons.0.url"),
        ([PLAIN, buttons({"type": "URL", "text": "T", "url": "https://x/{{1}}"})], "components.1.buttons.0.example"),
        ([PLAIN, buttons(CALL | {"phone_number": "nobody"})], "components.1.buttons.0.phone_number"),
        ([PLAIN, buttons({"type": "COPY_CODE", "example": "x" * 21})], "components.1.buttons.0.example"),
        ([PLAIN, buttons(OTP)], "components.1.buttons.0.type"),
        ([PLAIN, buttons({"type": "FLOW", "text": "Book"})], "components.1.buttons.0"),
        ([PLAIN, buttons({"type": "CATALOG", "text": "View"}, REPLY)], "components.1.buttons"),
        ([body("x" * 601), OFFER], "components.0.text"),
        ([PLAIN, {"type": "LIMITED_TIME_OFFER", "limited_time_offer": {"text": "x" * 17}}],
         "components.1.limited_time_offer.text"),
        ([PLAIN, {"type": "LIMITED_TIME_OFFER"}], "components.1.limited_time_offer"),
        ([PLAIN, OFFER, {"type": "FOOTER", "text": "Bye"}], "components.2"),
        ([PLAIN, carousel(card())], "components.1.cards"), ([PLAIN, carousel(*[card()] * 11)], "components.1.cards"),
        ([PLAIN, carousel(card(body("x" * 161)), card(PLAIN))], "components.1.cards.0.components.1.text"),
        ([PLAIN, carousel(card(PLAIN), card())], "components.1.cards.1"),
        ([PLAIN, carousel({"components": [PLAIN]}, {"components": [PLAIN]})], "components.1.cards.0.components"),
        ([PLAIN, carousel(card(buttons(*[REPLY] * 3)), card(buttons(REPLY)))],
         "components.1.cards.0.components.1.buttons"),
        ([PLAIN | {"$set": 1}], "components.0"), ([PLAIN | {"big": 2**60}], "components.0.big"),
        ([PLAIN | {"odd": float("inf")}], "components.0.odd"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(components: list[dict[str, Any]], path: str) -> None:
    assert path in paths(components)


def test_named_variables_have_named_examples() -> None:
    example = {"body_text_named_params": [{"param_name": "first", "example": "Ada"}]}
    good = {"type": "BODY", "text": "Hi {{first}}, welcome", "example": example}
    assert paths([good], form="NAMED") == []
    assert paths([good | {"example": {"body_text": ["Ada"]}}], form="NAMED") == [
        "components.0.example.body_text_named_params"
    ]
    assert "components.0.text" in paths([good | {"text": "Hi {{First}}, welcome"}], form="NAMED")
    assert "components.0.text" in paths([good | {"text": "Hi {{1}}, welcome"}], form="NAMED")


@pytest.mark.parametrize(
    "button",
    [
        OTP, {"type": "otp", "otp_type": "one_tap", "supported_apps": [APP]},
        {"type": "OTP", "otp_type": "ONE_TAP"} | APP,
        {"type": "OTP", "otp_type": "ZERO_TAP", "supported_apps": [APP], "zero_tap_terms_accepted": True},
    ],
)  # fmt: skip
def test_one_time_codes_have_a_fixed_form(button: dict[str, Any]) -> None:
    footer = {"type": "FOOTER", "code_expiration_minutes": 10}
    assert paths([CODE, footer, buttons(button)], "AUTHENTICATION") == []
    assert paths([{"type": "BODY"}, buttons(button)], "AUTHENTICATION") == []


@pytest.mark.parametrize(
    ("components", "path"),
    [
        ([CODE], "components"), ([PLAIN, buttons(OTP)], "components.0.text"),
        ([header(text="Code"), CODE, buttons(OTP)], "components.0"),
        ([CODE, {"type": "FOOTER", "text": "Bye"}, buttons(OTP)], "components.1.text"),
        ([CODE, {"type": "FOOTER", "code_expiration_minutes": 91}, buttons(OTP)],
         "components.1.code_expiration_minutes"),
        ([CODE, {"type": "FOOTER", "code_expiration_minutes": True}, buttons(OTP)],
         "components.1.code_expiration_minutes"),
        ([CODE, buttons(OTP, OTP)], "components.1.buttons"), ([CODE, buttons(REPLY)], "components.1.buttons.0.type"),
        ([CODE, buttons({"type": "OTP"})], "components.1.buttons.0.otp_type"),
        ([CODE, buttons({"type": "OTP", "otp_type": "ONE_TAP"})], "components.1.buttons.0.supported_apps"),
        ([CODE, buttons({"type": "OTP", "otp_type": "ONE_TAP", "supported_apps": [{"package_name": "app"}]})],
         "components.1.buttons.0.supported_apps.0.package_name"),
        ([CODE, buttons({"type": "OTP", "otp_type": "ZERO_TAP", "supported_apps": [APP]})],
         "components.1.buttons.0.zero_tap_terms_accepted"),
    ],
)  # fmt: skip
def test_one_time_codes_of_another_form_are_refused(components: list[dict[str, Any]], path: str) -> None:
    assert path in paths(components, "AUTHENTICATION")


@pytest.mark.parametrize("number", [10**400, -(10**400), 2**63, float("nan"), float("inf")])
def test_a_number_beyond_what_readers_agree_on_is_refused_where_it_stands(number: float) -> None:
    assert "components.0.example.body_text.0.0" in paths([BODY | {"example": {"body_text": [[number]]}}], "UTILITY")


def test_only_marketing_has_offers() -> None:
    assert "components.1" in paths([PLAIN, OFFER], "UTILITY")


@pytest.mark.parametrize(
    ("category", "seconds", "fits"),
    [
        ("UTILITY", None, True), ("UTILITY", 30, True), ("UTILITY", 43_201, False), ("AUTHENTICATION", 901, False),
        ("MARKETING", 43_199, False), ("MARKETING", 2_592_000, True), ("AUTHENTICATION", -1, True),
        ("UTILITY", 0, False),
    ],
)  # fmt: skip
def test_a_time_to_live_fits_its_category(category: str, seconds: int | None, fits: bool) -> None:
    assert (ttl_problem(category, seconds) is None) == fits
