"""Strict check of a template send against the stored template: Meta's 132xxx codes."""

import re
from typing import Any

from services.sandbox.checks.free_form import check_location, check_media
from services.sandbox.checks.shapes import at, mapping, one_of, only, required, sequence, string
from services.sandbox.checks.template_actions import check_action, check_offer, check_product, check_tap_targets
from services.sandbox.checks.template_shape import VARIABLE, Shape
from services.sandbox.errors import bad_parameter, refusal
from services.sandbox.model import Template

HYDRATED_BODY = 1024  # characters of the body with its values in place
CODE = 15  # characters of a one-time password
PAYLOAD = 128  # characters of a quick reply's payload (figure of integrators)
_UNFIT = re.compile(r"[\n\r\t]| {5,}")
_KEYS = frozenset({"type", "sub_type", "index", "parameters", "cards"})
_TYPES = ("header", "body", "button", "carousel", "limited_time_offer", "tap_target_configuration")
_PARAMETER_KEYS = frozenset({
    "type", "text", "parameter_name", "currency", "date_time", "image", "video", "document", "location", "product",
    "payload", "coupon_code", "action", "ttl_minutes", "limited_time_offer", "tap_target_configuration",
})  # fmt: skip


def check_envelope(template: dict[str, Any]) -> tuple[str, str, list[dict[str, Any]]]:
    """Check name, language and the outline of the components; return (name, language code, components)."""
    only(template, "template", frozenset({"name", "language", "components", "namespace"}))
    name = string(required(template, "", "name") if template.get("name") else _no_name(), "template['name']", 512)
    language = mapping(required(template, "template", "language"), "template['language']")
    only(language, "template['language']", frozenset({"code", "policy"}))
    code = string(required(language, "template['language']", "code"), "template['language']['code']", 15)
    if language.get("policy") is not None:
        one_of(language["policy"], "template['language']['policy']", ("deterministic",))
    components = sequence(template.get("components") or [], "template['components']", 20)
    for index, component in enumerate(components):
        path = at("template['components']", index)
        only(mapping(component, path), path, _KEYS)
        one_of(required(component, path, "type"), at(path, "type"), _TYPES)
    return name, code, components


def check_sendable(template: Template | None, name: str, language: str) -> Template:
    """Return the template when it may be sent; raises GraphError 132001, 132015 or 132016."""
    if template is None or template.status in ("PENDING", "REJECTED", "IN_APPEAL", "PENDING_DELETION", "DELETED"):
        raise refusal(132001, f"template name ({name}) does not exist in {language}")
    if template.status == "PAUSED":
        raise refusal(132015, "This template is currently paused due to low quality.")
    if template.status != "APPROVED":
        raise refusal(132016, "This template has been disabled.")
    return template


def check_values(shape: Shape, components: list[dict[str, Any]], where: str = "") -> None:
    """Check every value against the template's shape; raises GraphError 100, 131008, 131009 or 132xxx."""
    found: dict[str, dict[str, Any]] = {}
    buttons: dict[int, dict[str, Any]] = {}
    for component in components:
        kind = str(component["type"]).lower()
        if kind == "button":
            buttons[_index(component)] = component
        else:
            found[kind] = component
    _check_header(shape, _parameters(found.get("header")), where)
    _check_body(shape, _parameters(found.get("body")), where)
    _check_buttons(shape, buttons, where)
    offer = _parameters(found.get("limited_time_offer"))
    if shape.offer_expires and not offer:
        raise refusal(131008, "limited_time_offer: expiration_time_ms is required")
    if offer:
        check_offer(offer)
    if "tap_target_configuration" in found:
        check_tap_targets(_parameters(found["tap_target_configuration"]))
    _check_cards(shape, found.get("carousel"))


def _check_header(shape: Shape, values: list[dict[str, Any]], where: str) -> None:
    kind = (shape.header_format or "").lower()
    if kind in ("", "text"):
        _check_texts(shape, shape.header_variables, values, f"{where}header")
        return
    if len(values) != 1:
        _wrong_count(f"{where}header", len(values), 1)
    given = str(values[0].get("type", "")).lower()
    if given != kind:
        raise refusal(
            132012, f"{where}header: Format mismatch, expected {kind.upper()}, received {given.upper() or 'UNKNOWN'}"
        )
    content = mapping(required(values[0], f"{where}header", kind), kind)
    if kind == "location":
        check_location(content)
    elif kind == "product":
        check_product(content)
    elif kind in ("image", "video", "document"):
        check_media(kind, {key: value for key, value in content.items() if key != "caption"}, kind)


def _check_body(shape: Shape, values: list[dict[str, Any]], where: str) -> None:
    texts = _check_texts(shape, shape.body_variables, values, f"{where}body")
    if shape.category == "AUTHENTICATION" and texts and len(next(iter(texts.values()))) > CODE:
        raise refusal(132018, f"body: the one-time password is longer than {CODE} characters")
    hydrated = VARIABLE.sub(lambda match: texts.get(match[1].strip(), ""), shape.body_text)
    if len(hydrated) > HYDRATED_BODY:
        raise refusal(
            132005, f"{where}body: hydrated text has {len(hydrated)} characters, at most {HYDRATED_BODY} are allowed"
        )


def _check_texts(shape: Shape, variables: tuple[str, ...], values: list[dict[str, Any]], where: str) -> dict[str, str]:
    """Check the values of a text; return what each variable becomes."""
    if len(values) != len(variables):
        _wrong_count(where, len(values), len(variables))
    if not shape.named:
        return {name: _shown(value, where) for name, value in zip(variables, values, strict=True)}
    texts: dict[str, str] = {}
    for value in values:
        name = value.get("parameter_name")
        if not name or not isinstance(name, str):
            raise refusal(100, "Parameter name is missing or empty")
        if name not in variables or name in texts:
            raise refusal(132018, f"{where}: parameter_name {name} does not fit the template")
        texts[name] = _shown(value, where)
    return texts


def _shown(value: dict[str, Any], where: str) -> str:
    """Return the text a value is shown as."""
    kind = str(value.get("type", "")).lower()
    if kind in ("currency", "date_time"):
        inner = mapping(required(value, where, kind), kind)
        if kind == "currency":
            string(required(inner, kind, "code"), "currency['code']", 3, 3)
            if type(required(inner, kind, "amount_1000")) is not int:
                raise bad_parameter("Param currency['amount_1000'] must be an integer.")
        return string(required(inner, kind, "fallback_value"), f"{kind}['fallback_value']")
    if kind != "text":
        raise refusal(132012, f"{where}: Format mismatch, expected TEXT, received {kind.upper() or 'UNKNOWN'}")
    text = value.get("text")
    if text is not None and not isinstance(text, str):
        raise bad_parameter(f"Param {where}['text'] must be a string.")
    if not text:
        raise refusal(131008, "Parameter of type text is missing text value")
    if _UNFIT.search(text):
        raise refusal(132018, "Param text cannot have new-line/tab characters or more than 4 consecutive spaces")
    return text


def _check_buttons(shape: Shape, given: dict[int, dict[str, Any]], where: str) -> None:
    for index in given:
        if index >= len(shape.buttons):
            raise refusal(131009, f"{where}buttons: There is no button at index {index} in the template")
    for index, button in enumerate(shape.buttons):
        component = given.get(index)
        values = _parameters(component)
        if component is None or not values:
            if button.needs is not None:
                raise refusal(
                    131008, f"{where}buttons: Button at index {index} of type {button.label} requires a parameter"
                )
            continue
        sub_type = str(required(component, "button", "sub_type")).lower()
        if sub_type != button.sub_type:
            raise refusal(131009, f"Components sub_type invalid at index: {index} and type: {button.label}")
        _check_button_value(button.sub_type, button.needs, values, f"{where}buttons[{index}]")


def _check_button_value(sub_type: str | None, needs: str | None, values: list[dict[str, Any]], where: str) -> None:
    if len(values) != 1:
        _wrong_count(where, len(values), 1)
    if sub_type == "url" and needs is None:
        raise refusal(132000, f"{where}: number of params (1) does not match the expected number of params (0)")
    wanted = {"quick_reply": "payload", "url": "text", "copy_code": "coupon_code"}.get(sub_type or "", "action")
    kind = str(values[0].get("type", "")).lower()
    if kind != wanted:
        raise refusal(
            132012, f"{where}: Format mismatch, expected {wanted.upper()}, received {kind.upper() or 'UNKNOWN'}"
        )
    content = values[0].get(wanted)
    if wanted == "action":
        check_action(sub_type or "", content, where)
        return
    most = {"payload": PAYLOAD, "coupon_code": 20}.get(wanted, 2000)
    if not isinstance(content, str) or not 1 <= len(content) <= most:
        raise refusal(
            131008 if not content else 131009, f"{where}: {wanted} must be a string of 1 to {most} characters"
        )


def _check_cards(shape: Shape, carousel: dict[str, Any] | None) -> None:
    cards = sequence((carousel or {}).get("cards") or [], "cards", 10)
    if len(cards) != len(shape.cards):
        _wrong_count("carousel", len(cards), len(shape.cards))
    for index, card in enumerate(cards):
        path = at("cards", index)
        if required(mapping(card, path), path, "card_index") != index:
            raise refusal(131009, f"{path}: card_index must be {index}")
        components = sequence(card.get("components") or [], at(path, "components"), 5)
        for component in components:
            one_of(required(mapping(component, path), path, "type"), at(path, "type"), ("header", "body", "button"))
        check_values(shape.cards[index], components, f"{path}: ")


def _parameters(component: dict[str, Any] | None) -> list[dict[str, Any]]:
    if component is None:
        return []
    values = sequence(component.get("parameters") or [], "parameters", 50)
    for index, value in enumerate(values):
        only(mapping(value, at("parameters", index)), at("parameters", index), _PARAMETER_KEYS)
    return values


def _index(component: dict[str, Any]) -> int:
    index = required(component, "button", "index")
    if isinstance(index, str) and index.isdigit():
        return int(index)
    if type(index) is not int or index < 0:
        raise bad_parameter("Param button['index'] must be an integer.")
    return index


def _wrong_count(where: str, given: int, expected: int) -> None:
    raise refusal(
        132000,
        f"{where}: number of localizable_params ({given}) does not match the expected number of params ({expected})",
    )


def _no_name() -> str:
    raise bad_parameter("The parameter template['name'] is required.")
