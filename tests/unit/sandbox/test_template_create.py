from typing import Any

import pytest

from services.sandbox.checks.template_create import check_components, check_language, check_name, check_ttl
from services.sandbox.errors import GraphError

BODY = {"type": "BODY", "text": "Hi {{1}}, order {{2}} is here.", "example": {"body_text": [["Ann", "42"]]}}
PLAIN = {"type": "BODY", "text": "Hello there."}


def buttons(*items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "BUTTONS", "buttons": list(items)}


def reply(text: str = "Stop") -> dict[str, Any]:
    return {"type": "QUICK_REPLY", "text": text}


def link(url: str = "https://x.test/{{1}}", **more: Any) -> dict[str, Any]:
    return {"type": "URL", "text": "Track", "url": url, "example": ["https://x.test/1"]} | more


OTP = [{"type": "BODY", "add_security_recommendation": True}, buttons({"type": "OTP", "otp_type": "COPY_CODE"})]
IMAGE = {"type": "HEADER", "format": "IMAGE", "example": {"header_handle": ["4::a"]}}


@pytest.mark.parametrize(
    "components",
    [
        [PLAIN],
        [{"type": "body", "text": "Hello there."}],
        [{"type": "HEADER", "format": "TEXT", "text": "Hi {{1}}", "example": {"header_text": ["Ann"]}}, BODY],
        [IMAGE, BODY, {"type": "FOOTER", "text": "Lucky Shrub"}, buttons(reply(), reply("No"), link())],
        [PLAIN, buttons({"type": "PHONE_NUMBER", "text": "Call", "phone_number": "+15550783881"})],
        [PLAIN, {"type": "CAROUSEL", "cards": [{"components": [IMAGE, buttons(reply())]}] * 2}],
    ],
)  # fmt: skip
def test_what_meta_takes_is_taken(components: list[Any]) -> None:
    assert check_components("UTILITY", "POSITIONAL", components) == components


def test_a_named_template_needs_named_samples() -> None:
    body: dict[str, Any] = {"type": "BODY", "text": "Order {{id}} ships today."}
    named = {"example": {"body_text_named_params": [{"param_name": "id", "example": "42"}]}}
    check_components("UTILITY", "NAMED", [body | named])
    with pytest.raises(GraphError) as error:
        check_components("UTILITY", "NAMED", [body | {"example": {"body_text": [["42"]]}}])
    assert error.value.subcode == 2388043


@pytest.mark.parametrize(
    ("category", "components", "subcode"),
    [
        ("UTILITY", [{"type": "FOOTER", "text": "x"}], 2388072),
        ("UTILITY", [{"type": "BODY", "text": ""}], 2388072),
        ("UTILITY", [{"type": "BODY", "text": "x" * 1025}], 2388040),
        ("UTILITY", [BODY | {"example": None}], 2388043),
        ("UTILITY", [BODY | {"example": {"body_text": [["one"]]}}], 2388043),
        ("UTILITY", [BODY | {"text": "{{1}} and then {{2}} is here."}], 2388299),
        ("UTILITY", [BODY | {"text": "It is over there, {{1}} {{2}} right."}], 2388072),
        ("UTILITY", [BODY | {"text": "Hi {{1}}, order {{3}} is here."}], 2388072),
        ("UTILITY", [{"type": "HEADER", "format": "TEXT", "text": "x" * 61}, PLAIN], 2388040),
        ("UTILITY", [{"type": "HEADER", "format": "TEXT", "text": "two\nlines"}, PLAIN], 2388047),
        ("UTILITY", [{"type": "HEADER", "format": "IMAGE"}, PLAIN], 2388273),
        ("UTILITY", [PLAIN, {"type": "FOOTER", "text": "Bye {{1}}"}], 2388073),
        ("UTILITY", [PLAIN, {"type": "FOOTER", "text": "x" * 61}], 2388040),
        ("UTILITY", [PLAIN, PLAIN], None),
        ("UTILITY", [PLAIN, buttons(reply("x" * 26))], 2388040),
        ("UTILITY", [PLAIN, buttons(*[reply(str(n)) for n in range(11)])], None),
        ("UTILITY", [PLAIN, buttons(link(), link(), link())], None),
        ("UTILITY", [PLAIN, buttons(reply("a"), link(), reply("b"))], None),
        ("UTILITY", [PLAIN, buttons(link("https://{{1}}.test"))], None),
        ("UTILITY", [PLAIN, buttons(link(example=None))], 2388043),
        ("UTILITY", [PLAIN, buttons({"type": "COPY_CODE", "example": "x" * 21})], 2388055),
        ("UTILITY", [PLAIN, {"type": "CAROUSEL", "cards": [{"components": [IMAGE]}]}], None),
        ("UTILITY", [PLAIN, {"type": "CAROUSEL", "cards": [{"components": [PLAIN]}] * 2}], None),
        ("AUTHENTICATION", [PLAIN, OTP[1]], 2388042),
        ("AUTHENTICATION", [OTP[0]], 2388042),
        ("AUTHENTICATION", [*OTP, {"type": "FOOTER", "code_expiration_minutes": 91}], None),
        ("AUTHENTICATION", [*OTP, {"type": "HEADER", "format": "IMAGE"}], 2388042),
    ],
)  # fmt: skip
def test_what_meta_refuses_is_refused_with_its_subcode(
    category: str, components: list[Any], subcode: int | None
) -> None:
    with pytest.raises(GraphError) as error:
        check_components(category, "POSITIONAL", components)
    assert (error.value.code, error.value.subcode) == (100, subcode)
    if subcode is not None:
        assert error.value.envelope("t")["error"]["error_user_title"]


def test_more_variables_than_words_are_refused() -> None:
    example = {"body_text": [["1", "2", "3"]]}
    check_components(
        "UTILITY", "POSITIONAL", [{"type": "BODY", "text": "a {{1}} b {{2}} c {{3}} d", "example": example}]
    )
    with pytest.raises(GraphError) as error:
        check_components(
            "UTILITY", "POSITIONAL", [{"type": "BODY", "text": "a {{1}}.{{2}}.{{3}}b", "example": example}]
        )
    assert error.value.subcode == 2388293


def test_a_phone_button_that_is_no_number_answers_192() -> None:
    with pytest.raises(GraphError) as error:
        check_components(
            "UTILITY", "POSITIONAL", [PLAIN, buttons({"type": "PHONE_NUMBER", "text": "Call", "phone_number": "x"})]
        )
    assert error.value.code == 192


def test_names_languages_and_times_to_live_have_limits() -> None:
    assert check_name("order_42") == "order_42"
    assert check_language("pt_BR") == "pt_BR"
    assert check_ttl(60, "UTILITY") == 60
    assert check_ttl(-1, "MARKETING") == -1
    for wrong in ("Order", "order-42", "o" * 513, "", 5):
        with pytest.raises(GraphError):
            check_name(wrong)
    with pytest.raises(GraphError):
        check_language("xx_YY")
    with pytest.raises(GraphError):
        check_ttl(60, "MARKETING")
