"""What may be wrong with a template before Meta is asked: its parts, one by one and together. Pure.

Source: Meta's reference of template components. What Meta does not publish (how many words a variable needs, which
languages exist today) is left to Meta, whose refusal comes back in the same shape.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from libs.web.errors import FieldProblem
from services.templates.buttons import MOST_OF_A_CARD, check_buttons, check_code_button
from services.templates.texts import (
    VARIABLE,
    Findings,
    check_examples,
    check_placement,
    check_variables,
)

HEADER, BODY, FOOTER, CARD_BODY, OFFER_BODY, OFFER = 60, 1024, 60, 160, 600, 16  # characters
CARDS = (2, 10)
PARTS = ("HEADER", "BODY", "FOOTER", "BUTTONS", "CAROUSEL", "LIMITED_TIME_OFFER", "CALL_PERMISSION_REQUEST")
HEADERS = ("TEXT", "IMAGE", "VIDEO", "DOCUMENT", "LOCATION", "PRODUCT", "GIF")
MEDIA_HEADERS = ("IMAGE", "VIDEO", "DOCUMENT", "GIF")
CARD_HEADERS = ("IMAGE", "VIDEO", "PRODUCT")
TTL = {"AUTHENTICATION": (30, 900), "UTILITY": (30, 43_200), "MARKETING": (43_200, 2_592_000)}  # seconds
NO_TTL = -1  # stands for 30 days
MINUTES = (1, 90)  # until a code expires
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
LARGEST_NUMBER = 2**53  # beyond it JSON's readers disagree

Part = Mapping[str, Any]


def problems(category: str, parameter_format: str, components: Sequence[Part]) -> list[FieldProblem]:
    """Return what is wrong; empty where Meta may be asked."""
    found = Findings()
    _check_plain(found, "components", components)
    parts: dict[str, tuple[str, Part]] = {}
    for place, component in enumerate(components):
        path = f"components.{place}"
        kind = found.choice(component, path, "type", PARTS)
        if kind in parts:
            found.add(path, f"There is a second {kind}; a template has one of each.")
        elif kind is not None:
            parts[kind] = (path, component)
    if "BODY" not in parts:
        found.add("components", "A template needs a BODY.")
    if found:
        return found
    if category == "AUTHENTICATION":
        _check_authentication(found, parts)
    else:
        _check_parts(found, parts, parameter_format == "NAMED", category)
    return found


def ttl_problem(category: str, seconds: int | None) -> FieldProblem | None:
    """Return what is wrong with a template's time to live, in seconds."""
    least, most = TTL.get(category, (0, LARGEST_NUMBER))
    if seconds is None or seconds == NO_TTL or least <= seconds <= most:
        return None
    return FieldProblem(
        "message_send_ttl_seconds", f"Must be {least} to {most} for {category}, or {NO_TTL} for 30 days."
    )


def _check_authentication(found: Findings, parts: Mapping[str, tuple[str, Part]]) -> None:
    """Meta words these templates itself; only switches are left."""
    allowed = {
        "BODY": {"type", "add_security_recommendation"}, "FOOTER": {"type", "code_expiration_minutes"},
        "BUTTONS": {"type", "buttons"},
    }  # fmt: skip
    for kind, (path, part) in parts.items():
        if kind not in allowed:
            found.add(path, f"An authentication template has no {kind}.")
            continue
        for name in sorted(set(part) - allowed[kind]):
            words = ", ".join(sorted(allowed[kind] - {"type"}))
            found.add(f"{path}.{name}", f"Meta words this part of an authentication template; it takes {words}.")
    _, body = parts["BODY"]
    if not isinstance(body.get("add_security_recommendation", False), bool):
        found.add(f"{parts['BODY'][0]}.add_security_recommendation", "Must be true or false.")
    if "FOOTER" in parts:
        path, footer = parts["FOOTER"]
        minutes = footer.get("code_expiration_minutes")
        if type(minutes) is not int or not MINUTES[0] <= minutes <= MINUTES[1]:
            found.add(f"{path}.code_expiration_minutes", f"Must be a number from {MINUTES[0]} to {MINUTES[1]}.")
    if "BUTTONS" in parts:
        check_code_button(found, *parts["BUTTONS"])
    else:
        found.add("components", "An authentication template needs BUTTONS with one button of type OTP.")


def _check_parts(found: Findings, parts: Mapping[str, tuple[str, Part]], named: bool, category: str) -> None:
    offer = "LIMITED_TIME_OFFER" in parts
    if "HEADER" in parts:
        _check_header(found, *parts["HEADER"], named)
    _check_body(found, *parts["BODY"], named, OFFER_BODY if offer else BODY)
    if "FOOTER" in parts:
        path, footer = parts["FOOTER"]
        if offer:
            found.add(path, "A limited-time offer has no footer.")
        text = found.text(footer, path, FOOTER)
        if text is not None and VARIABLE.search(text):
            found.add(f"{path}.text", "A footer has no variables.")
    if "BUTTONS" in parts:
        check_buttons(found, *parts["BUTTONS"])
    if offer:
        _check_offer(found, *parts["LIMITED_TIME_OFFER"], category)
    if "CAROUSEL" in parts:
        _check_carousel(found, *parts["CAROUSEL"], named)


def _check_header(found: Findings, path: str, header: Part, named: bool) -> None:
    form = found.choice(header, path, "format", HEADERS)
    if form == "TEXT":
        text = found.text(header, path, HEADER)
        if text is None:
            return
        if "\n" in text:
            found.add(f"{path}.text", "Must be one line.")
        names = check_variables(found, f"{path}.text", text, named)
        if len(names) > 1:
            found.add(f"{path}.text", "May have one variable.")
        check_examples(found, path, header, "header_text", names, named)
    elif form in MEDIA_HEADERS:
        _check_sample(found, path, header)


def _check_sample(found: Findings, path: str, header: Part) -> None:
    example = header.get("example")
    handles = example.get("header_handle") if isinstance(example, dict) else None
    if not isinstance(handles, list) or not handles or not all(isinstance(each, str) and each for each in handles):
        words = "Needs a sample: upload it with POST /templates/media and put its handle into this list."
        found.add(f"{path}.example.header_handle", words)


def _check_body(found: Findings, path: str, body: Part, named: bool, most: int) -> None:
    text = found.text(body, path, most)
    if text is None:
        return
    names = check_variables(found, f"{path}.text", text, named)
    check_placement(found, f"{path}.text", text)
    check_examples(found, path, body, "body_text", names, named)


def _check_offer(found: Findings, path: str, part: Part, category: str) -> None:
    if category != "MARKETING":
        found.add(path, "Only a MARKETING template has a limited-time offer.")
    offer = part.get("limited_time_offer")
    if not isinstance(offer, dict):
        found.add(f"{path}.limited_time_offer", "This field is required: an object with text.")
        return
    found.text(offer, f"{path}.limited_time_offer", OFFER)
    if not isinstance(offer.get("has_expiration", False), bool):
        found.add(f"{path}.limited_time_offer.has_expiration", "Must be true or false.")


def _check_carousel(found: Findings, path: str, carousel: Part, named: bool) -> None:
    outlines = []
    for place, card in enumerate(found.objects(carousel.get("cards"), f"{path}.cards", *CARDS)):
        outlines.append(_check_card(found, f"{path}.cards.{place}", card, named))
        if outlines[-1] != outlines[0]:
            words = "All cards have the same parts, the same kind of header and the same kinds of buttons."
            found.add(f"{path}.cards.{place}", words)


def _check_card(found: Findings, path: str, card: Part, named: bool) -> object:
    parts: dict[str, tuple[str, Part]] = {}
    for place, part in enumerate(found.objects(card.get("components"), f"{path}.components", 1, 3)):
        where = f"{path}.components.{place}"
        kind = found.choice(part, where, "type", ("HEADER", "BODY", "BUTTONS"))
        if kind in parts:
            found.add(where, f"There is a second {kind}; a card has one of each.")
        elif kind is not None:
            parts[kind] = (where, part)
    form, kinds = None, []
    if "HEADER" in parts:
        where, header = parts["HEADER"]
        form = found.choice(header, where, "format", CARD_HEADERS)
        if form in MEDIA_HEADERS:
            _check_sample(found, where, header)
    else:
        found.add(f"{path}.components", "A card needs a HEADER: an image, a video or a product.")
    if "BODY" in parts:
        _check_body(found, *parts["BODY"], named, CARD_BODY)
    if "BUTTONS" in parts:
        kinds = check_buttons(found, *parts["BUTTONS"], MOST_OF_A_CARD)
    return sorted(parts), form, kinds


def _check_plain(found: Findings, path: str, value: Any) -> None:
    """Check that names and numbers are such as every store and reader takes."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            if _KEY.fullmatch(name):
                _check_plain(found, f"{path}.{name}", item)
            else:
                found.add(path, "Has a field whose name is none of Meta's: letters, digits and underscores.")
    elif isinstance(value, list):
        for place, item in enumerate(value):
            _check_plain(found, f"{path}.{place}", item)
    elif isinstance(value, int | float) and not abs(value) <= LARGEST_NUMBER:  # NaN is not below anything
        found.add(path, "Is a number beyond what JSON's readers agree on.")
