from typing import Any

import pytest

from libs.graph.template_parameters import problems

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
         [_body(_text("123456")), _button("0")], "POSITIONAL"),
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


def test_names_must_be_those_of_the_template() -> None:
    stored = [{"type": "BODY", "text": "Hi {{name}}"}]
    assert problems(stored, "NAMED", [_body(_text("Ann", "nome"))])
    assert problems(stored, "NAMED", [_body(_text("Ann"))])
