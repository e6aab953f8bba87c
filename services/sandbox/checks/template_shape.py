"""What a stored template asks of a send: how many values, of what kind, where."""

import re
from dataclasses import dataclass, field
from typing import Any

VARIABLE = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")
# Buttons that cannot be sent without a value, by stored type.
_NEEDY = {"COPY_CODE": "coupon_code", "OTP": "text", "MPM": "action", "ORDER_DETAILS": "action"}
SUB_TYPES = {
    "QUICK_REPLY": "quick_reply", "URL": "url", "OTP": "url", "COPY_CODE": "copy_code", "FLOW": "flow",
    "CATALOG": "catalog", "MPM": "mpm", "VOICE_CALL": "voice_call", "ORDER_DETAILS": "order_details",
}  # fmt: skip


@dataclass(frozen=True)
class Button:
    """One button: the `sub_type` that a send names it by, and the kind of value it cannot go without."""

    sub_type: str | None
    needs: str | None
    label: str


@dataclass(frozen=True)
class Shape:
    """A template, or one card of a carousel, as a send must fill it."""

    category: str
    named: bool
    header_format: str | None = None
    header_variables: tuple[str, ...] = ()
    body_text: str = ""
    body_variables: tuple[str, ...] = ()
    buttons: tuple[Button, ...] = ()
    offer_expires: bool = False
    cards: tuple["Shape", ...] = field(default=())


def shape_of(category: str, parameter_format: str, components: list[dict[str, Any]]) -> Shape:
    """Read a template's stored components."""
    parts: dict[str, dict[str, Any]] = {str(part.get("type", "")).upper(): part for part in components}
    header, body = parts.get("HEADER", {}), parts.get("BODY", {})
    text = str(body.get("text", ""))
    variables = variables_of(text)
    if category == "AUTHENTICATION" and not variables:
        variables = ("1",)  # Meta's own text has the code in it
    cards = parts.get("CAROUSEL", {}).get("cards", [])
    return Shape(
        category=category,
        named=parameter_format.upper() == "NAMED",
        header_format=str(header.get("format", "TEXT")).upper() if header else None,
        header_variables=variables_of(str(header.get("text", ""))),
        body_text=text,
        body_variables=variables,
        buttons=tuple(_button(button) for button in parts.get("BUTTONS", {}).get("buttons", [])),
        offer_expires=bool(parts.get("LIMITED_TIME_OFFER", {}).get("limited_time_offer", {}).get("has_expiration")),
        cards=tuple(shape_of(category, parameter_format, card.get("components", [])) for card in cards),
    )


def variables_of(text: str) -> tuple[str, ...]:
    """Return the distinct variables of a text in the order they come."""
    return tuple(dict.fromkeys(VARIABLE.findall(text)))


def _button(button: dict[str, Any]) -> Button:
    kind = str(button.get("type", "")).upper()
    needs = _NEEDY.get(kind)
    if kind == "URL" and VARIABLE.search(str(button.get("url", ""))):
        needs = "text"
    return Button(SUB_TYPES.get(kind), needs, kind.replace("_", " ").title())
