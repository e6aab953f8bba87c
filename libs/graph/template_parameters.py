"""Whether the components of a send fit the stored template: counts, names, kinds and buttons, as Meta checks them.

Source: Meta's template messages reference (errors 132000, 132012, 132018 at send time).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_VARIABLE = re.compile(r"\{\{\s*([A-Za-z0-9_]+)\s*\}\}")
_BREAKS = re.compile(r"[\n\t]| {5,}")  # Meta: no new lines, tabs or more than four spaces in a parameter
PARAMETER_LIMIT = 1024  # characters; the hydrated body may have no more
CODE_LIMIT = 15  # characters of a one-time code or coupon

MEDIA = ("image", "video", "document")
TEXT_KINDS = ("text", "currency", "date_time")
HEADER_KINDS = {"IMAGE": "image", "VIDEO": "video", "DOCUMENT": "document", "LOCATION": "location"}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that does not fit: where (`components.0.parameters`) and what is expected."""

    path: str
    message: str


def problems(
    stored: Sequence[Mapping[str, Any]], parameter_format: str, given: Sequence[Mapping[str, Any]]
) -> list[Problem]:
    """Return what does not fit between the stored components and those of a send; empty where all is well."""
    parts = {str(part.get("type", "")).upper(): part for part in stored}
    named = parameter_format.upper() == "NAMED"
    found: list[Problem] = []
    seen: set[tuple[str, str]] = set()
    for place, component in enumerate(given):
        path = f"components.{place}"
        kind = str(component.get("type", "")).lower()
        index = str(component.get("index", "")) if kind == "button" else ""
        if (kind, index) in seen:
            found.append(Problem(path, "This component is given twice."))
            continue
        seen.add((kind, index))
        found += _component(parts, named, kind, component, path)
    return found + list(_missing(parts, named, seen))


def _component(
    parts: Mapping[str, Mapping[str, Any]], named: bool, kind: str, component: Mapping[str, Any], path: str
) -> list[Problem]:
    parameters = component.get("parameters", [])
    if kind != "carousel" and not _is_list_of_objects(parameters):
        return [Problem(f"{path}.parameters", "Must be a list of objects.")]
    if kind == "body":
        if (wanted := _body_variables(parts)) is None:
            return [Problem(path, "The template has no body with variables.")]
        return list(_texts(wanted, named, parameters, f"{path}.parameters"))
    if kind == "header":
        return list(_header(parts.get("HEADER"), named, parameters, path))
    if kind == "button":
        return list(_button(parts.get("BUTTONS"), component, parameters, path))
    if kind == "carousel":
        return list(_carousel(parts.get("CAROUSEL"), named, component, path))
    if kind == "limited_time_offer":
        present = "LIMITED_TIME_OFFER" in parts
        return [] if present else [Problem(path, "The template has no limited-time offer.")]
    return [Problem(f"{path}.type", "Must be one of header, body, button, carousel, limited_time_offer.")]


def _body_variables(parts: Mapping[str, Mapping[str, Any]]) -> list[str] | None:
    body = parts.get("BODY")
    if body is None:
        return None
    if "add_security_recommendation" in body and "text" not in body:  # a one-time code: Meta's own text, one variable
        return ["1"]
    return variables(str(body.get("text", "")))


def variables(text: str) -> list[str]:
    """Return the variables of a text, in order of their first use."""
    return list(dict.fromkeys(_VARIABLE.findall(text)))


def _texts(wanted: list[str], named: bool, parameters: list[Any], path: str) -> Iterator[Problem]:
    if len(parameters) != len(wanted):
        yield Problem(path, f"The template takes {len(wanted)} parameters here, {len(parameters)} are given.")
        return
    if named:
        names = [parameter.get("parameter_name") for parameter in parameters]
        if sorted(map(str, names)) != sorted(wanted):
            yield Problem(path, f"Each needs a parameter_name; the template has {', '.join(wanted)}.")
    for place, parameter in enumerate(parameters):
        if (problem := _text_problem(parameter)) is not None:
            yield Problem(f"{path}.{place}{problem[0]}", problem[1])


def _text_problem(parameter: Mapping[str, Any]) -> tuple[str, str] | None:
    kind = str(parameter.get("type", "")).lower()
    if kind not in TEXT_KINDS:
        return ".type", "Must be one of text, currency, date_time."
    if kind != "text":
        value = parameter.get(kind)
        fallback = value.get("fallback_value") if isinstance(value, dict) else None
        return (
            None if isinstance(fallback, str) and fallback else (f".{kind}", "Must be an object with fallback_value.")
        )
    text = parameter.get("text")
    if not isinstance(text, str) or not text.strip():
        return ".text", "Must be a text that is not empty."
    if len(text) > PARAMETER_LIMIT:
        return ".text", f"May have at most {PARAMETER_LIMIT} characters."
    if _BREAKS.search(text):
        return ".text", "May not contain new lines, tabs or more than four spaces in a row."
    return (".text", "Must not contain the character NUL.") if "\x00" in text else None


def _header(header: Mapping[str, Any] | None, named: bool, parameters: list[Any], path: str) -> Iterator[Problem]:
    if header is None:
        yield Problem(path, "The template has no header.")
        return
    form = str(header.get("format", "")).upper()
    if form == "TEXT":
        yield from _texts(variables(str(header.get("text", ""))), named, parameters, f"{path}.parameters")
        return
    kind = HEADER_KINDS.get(form)
    if kind is None:
        return  # a form we do not know: Meta decides
    if len(parameters) != 1 or str(parameters[0].get("type", "")).lower() != kind:
        yield Problem(f"{path}.parameters", f"The template takes one parameter of type {kind} here.")
        return
    value = parameters[0].get(kind)
    if not isinstance(value, dict):
        yield Problem(f"{path}.parameters.0.{kind}", "Must be an object.")
    elif kind in MEDIA and ("id" in value) == ("link" in value):
        yield Problem(f"{path}.parameters.0.{kind}", "Must have exactly one of id and link.")
    elif kind == "location" and not {"latitude", "longitude"} <= set(value):
        yield Problem(f"{path}.parameters.0.location", "Must have latitude and longitude.")


_BUTTON_KINDS = {
    "QUICK_REPLY": ("quick_reply", "payload"), "URL": ("url", "text"), "COPY_CODE": ("copy_code", "coupon_code"),
    "OTP": ("url", "text"), "FLOW": ("flow", "action"), "CATALOG": ("catalog", "action"), "MPM": ("mpm", "action"),
}  # fmt: skip


def _button(
    buttons: Mapping[str, Any] | None, component: Mapping[str, Any], parameters: list[Any], path: str
) -> Iterator[Problem]:
    stored = buttons.get("buttons", []) if buttons is not None else []
    index = str(component.get("index", ""))
    if not index.isascii() or not index.isdigit() or int(index) >= len(stored):
        yield Problem(f"{path}.index", f"Must be the place of a button, from 0; the template has {len(stored)}.")
        return
    button = stored[int(index)]
    known = _BUTTON_KINDS.get(str(button.get("type", "")).upper())
    if known is None:
        yield Problem(path, "This button takes no parameters.")
        return
    sub_type, kind = known
    if str(component.get("sub_type", "")).lower() != sub_type:
        yield Problem(f"{path}.sub_type", f"The button takes sub_type {sub_type}.")
    if len(parameters) != 1 or str(parameters[0].get("type", "")).lower() != kind:
        yield Problem(f"{path}.parameters", f"The button takes one parameter of type {kind}.")
        return
    value = parameters[0].get(kind)
    if kind != "action" and (not isinstance(value, str) or not value):
        yield Problem(f"{path}.parameters.0.{kind}", "Must be a text that is not empty.")
    elif kind == "coupon_code" and len(str(value)) > CODE_LIMIT + 5:
        yield Problem(f"{path}.parameters.0.coupon_code", f"May have at most {CODE_LIMIT + 5} characters.")


def _carousel(
    carousel: Mapping[str, Any] | None, named: bool, component: Mapping[str, Any], path: str
) -> Iterator[Problem]:
    stored = carousel.get("cards", []) if carousel is not None else []
    cards = component.get("cards")
    if not isinstance(cards, list) or not _is_list_of_objects(cards) or len(cards) != len(stored):
        yield Problem(f"{path}.cards", f"The template takes {len(stored)} cards.")
        return
    for place, card in enumerate(cards):
        given = card.get("components", [])
        if not _is_list_of_objects(given):
            yield Problem(f"{path}.cards.{place}.components", "Must be a list of objects.")
            continue
        form = "NAMED" if named else "POSITIONAL"
        for problem in problems(stored[place].get("components", []), form, given):
            yield Problem(f"{path}.cards.{place}.{problem.path}", problem.message)


def _missing(parts: Mapping[str, Mapping[str, Any]], named: bool, seen: set[tuple[str, str]]) -> Iterator[Problem]:
    body = _body_variables(parts)
    if body and ("body", "") not in seen:
        yield Problem("components", f"The template's body takes {len(body)} parameters; none are given.")
    header = parts.get("HEADER")
    if header is not None and ("header", "") not in seen:
        form = str(header.get("format", "")).upper()
        if form in HEADER_KINDS or (form == "TEXT" and variables(str(header.get("text", "")))):
            yield Problem("components", "The template's header takes a parameter; none is given.")
    for index, button in enumerate(parts.get("BUTTONS", {}).get("buttons", [])):
        if _button_needs_value(button) and ("button", str(index)) not in seen:
            yield Problem("components", f"Button {index} of the template takes a parameter; none is given.")
    if "CAROUSEL" in parts and ("carousel", "") not in seen:
        yield Problem("components", "The template takes a carousel; none is given.")


def _button_needs_value(button: Mapping[str, Any]) -> bool:
    kind = str(button.get("type", "")).upper()
    return kind in ("COPY_CODE", "OTP") or (kind == "URL" and bool(variables(str(button.get("url", "")))))


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)
