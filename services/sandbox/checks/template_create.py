"""Strict check of a template that is created or edited: Meta's subcodes of template management."""

import re
from typing import Any

from services.sandbox.checks.languages import LANGUAGES
from services.sandbox.checks.shapes import at, mapping, one_of, required, sequence, string
from services.sandbox.checks.template_shape import VARIABLE, variables_of
from services.sandbox.errors import GraphError, bad_parameter, template_problem

# Meta's most characters.
NAME, HEADER, BODY, FOOTER, CARD_BODY, OFFER_BODY, BUTTON, URL, PHONE, COUPON = (
    512,
    60,
    1024,
    60,
    160,
    600,
    25,
    2000,
    20,
    20,
)
BUTTONS, URLS, PHONES, CODES, CARDS = 10, 2, 1, 1, 10  # Meta's most items
TTL = {"AUTHENTICATION": (30, 900), "UTILITY": (30, 43_200), "MARKETING": (43_200, 2_592_000)}  # seconds
CATEGORIES = ("AUTHENTICATION", "MARKETING", "UTILITY")
HEADER_FORMATS = ("TEXT", "IMAGE", "VIDEO", "DOCUMENT", "LOCATION", "PRODUCT", "GIF")
PARTS = ("HEADER", "BODY", "FOOTER", "BUTTONS", "CAROUSEL", "LIMITED_TIME_OFFER", "CALL_PERMISSION_REQUEST")
BUTTON_TYPES = (
    "QUICK_REPLY", "URL", "PHONE_NUMBER", "COPY_CODE", "OTP", "FLOW", "CATALOG", "MPM", "SPM", "VOICE_CALL",
    "CALL_PERMISSIONS_REQUEST", "ORDER_DETAILS", "APP",
)  # fmt: skip
_NAME = re.compile(r"^[a-z0-9_]+$")
_NAMED = re.compile(r"^[a-z][a-z0-9_]*$")
_PHONE = re.compile(r"^\+?[0-9]{5,20}$")


def check_name(name: Any) -> str:
    """Check a template's name: lower-case letters, digits and underscores, at most 512."""
    if not _NAME.match(string(name, "name", NAME)):
        raise bad_parameter("Param name can only contain lowercase alphanumeric characters and underscores.")
    return str(name)


def check_language(language: Any) -> str:
    """Check a language code against Meta's list."""
    if string(language, "language") not in LANGUAGES:
        raise template_problem(2388049, "Language not supported", f"The language {language} is not supported.")
    return str(language)


def check_ttl(seconds: Any, category: str) -> int | None:
    """Check a time to live (seconds); -1 stands for 30 days."""
    if seconds is None:
        return None
    least, most = TTL[category]
    if type(seconds) is not int or (seconds != -1 and not least <= seconds <= most):
        raise bad_parameter(f"Param message_send_ttl_seconds must be between {least} and {most}.")
    return seconds


def check_components(category: str, parameter_format: str, components: Any) -> list[dict[str, Any]]:
    """Check all components of a template and return them; raises GraphError 100, mostly with a subcode."""
    parts: dict[str, dict[str, Any]] = {}
    for index, part in enumerate(sequence(components, "components", 10, 1)):
        path = at("components", index)
        kind = one_of(required(mapping(part, path), path, "type"), at(path, "type"), PARTS)
        if kind in parts:
            raise bad_parameter(f"Param components must not have more than one component of type {kind}.")
        parts[kind] = part
    if "BODY" not in parts:
        raise template_problem(2388072, "Body missing", "A message template needs a body.")
    if category == "AUTHENTICATION":
        _check_authentication(parts)
    else:
        _check_texts(parts, parameter_format, OFFER_BODY if "LIMITED_TIME_OFFER" in parts else BODY)
        check_buttons(parts.get("BUTTONS"))
        _check_carousel(parts.get("CAROUSEL"), parameter_format)
    return list(components)


def _check_authentication(parts: dict[str, dict[str, Any]]) -> None:
    for kind in parts:
        if kind not in ("BODY", "FOOTER", "BUTTONS"):
            raise _unexpected(f"Authentication templates have no {kind.lower()}.")
    if set(parts["BODY"]) - {"type", "add_security_recommendation"}:
        raise _unexpected("The body of an authentication template takes add_security_recommendation only.")
    footer = parts.get("FOOTER", {})
    if set(footer) - {"type", "code_expiration_minutes"}:
        raise _unexpected("The footer of an authentication template takes code_expiration_minutes only.")
    minutes = footer.get("code_expiration_minutes", 1)
    if type(minutes) is not int or not 1 <= minutes <= 90:
        raise bad_parameter("Param code_expiration_minutes must be between 1 and 90.")
    buttons = parts.get("BUTTONS", {}).get("buttons")
    if not isinstance(buttons, list) or len(buttons) != 1 or str(buttons[0].get("type", "")).upper() != "OTP":
        raise _unexpected("An authentication template has exactly one button, of type OTP.")
    one_of(required(buttons[0], "buttons[0]", "otp_type"), "otp_type", ("COPY_CODE", "ONE_TAP", "ZERO_TAP"))


def _check_texts(parts: dict[str, dict[str, Any]], parameter_format: str, longest_body: int) -> None:
    header, body, footer = parts.get("HEADER"), parts["BODY"], parts.get("FOOTER")
    if header is not None:
        _check_header(header, parameter_format)
    text = body.get("text")
    if not isinstance(text, str) or not text.strip():
        raise template_problem(2388072, "Body text missing", "The body of a message template needs a text.")
    if len(text) > longest_body:
        raise _too_long("body", longest_body)
    _check_variables(text, parameter_format, "body")
    _check_examples(text, body.get("example"), "body_text", parameter_format)
    if footer is None:
        return
    text = footer.get("text")
    if not isinstance(text, str) or not text or VARIABLE.search(text):
        raise template_problem(2388073, "Footer not valid", "A footer is a text without variables.")
    if len(text) > FOOTER:
        raise _too_long("footer", FOOTER)


def _check_header(header: dict[str, Any], parameter_format: str) -> None:
    sort = one_of(required(header, "components['HEADER']", "format"), "format", HEADER_FORMATS)
    if sort == "TEXT":
        text = header.get("text")
        if not isinstance(text, str) or not text or "\n" in text or len(variables_of(text)) > 1:
            raise template_problem(
                2388047, "Header not valid", "A header is one line of text with at most one variable."
            )
        if len(text) > HEADER:
            raise _too_long("header", HEADER)
        _check_examples(text, header.get("example"), "header_text", parameter_format)
    elif sort in ("IMAGE", "VIDEO", "DOCUMENT", "GIF"):
        handle = (header.get("example") or {}).get("header_handle")
        if not isinstance(handle, list) or not handle:
            raise template_problem(2388273, "Sample missing", "A media header needs a sample in example.header_handle.")


def _check_variables(text: str, parameter_format: str, where: str) -> None:
    names = variables_of(text)
    if parameter_format == "NAMED":
        if not all(_NAMED.match(name) for name in names):
            raise bad_parameter("Variable names can only contain lowercase letters, digits and underscores.")
    elif set(names) != {str(number + 1) for number in range(len(names))}:
        raise template_problem(
            2388072, "Variables not valid", f"The {where}'s variables must be {{{{1}}}}, {{{{2}}}} and so on."
        )
    if re.search(r"\}\}\s*\{\{", text):
        raise template_problem(2388072, "Variables not valid", f"The {where} has variables with nothing between them.")
    plain = text.strip()
    if re.match(r"^\{\{[^{}]*\}\}", plain) or re.search(r"\{\{[^{}]*\}\}$", plain):
        raise template_problem(2388299, "Variable at the edge", "A text cannot begin or end with a variable.")
    words = len(re.findall(r"\w+", VARIABLE.sub(" ", text)))
    if words <= len(names) and names:  # the ratio is unpublished; integrators see this refused without exception
        raise template_problem(
            2388293, "Too many variables", "There are too many variables for the length of the text."
        )


def _check_examples(text: str, example: Any, key: str, parameter_format: str) -> None:
    names = variables_of(text)
    if not names:
        return
    given = example if isinstance(example, dict) else {}
    if parameter_format == "NAMED":
        rows = given.get(f"{key}_named_params")
        fits = isinstance(rows, list) and {row.get("param_name") for row in rows if isinstance(row, dict)} == set(names)
    else:
        rows = given.get(key)
        if key == "body_text" and isinstance(rows, list) and rows and isinstance(rows[0], list):
            rows = rows[0]
        fits = isinstance(rows, list) and len(rows) == len(names) and all(isinstance(row, str) and row for row in rows)
    if not fits:
        raise template_problem(
            2388043, "Sample missing", f"The template needs one sample in example.{key} for each variable."
        )


def check_buttons(part: dict[str, Any] | None, most: int = BUTTONS) -> None:
    """Check the buttons of a template or a card."""
    if part is None:
        return
    kinds = []
    for index, button in enumerate(sequence(required(part, "components['BUTTONS']", "buttons"), "buttons", most, 1)):
        path = at("components['BUTTONS']['buttons']", index)
        kind = one_of(required(mapping(button, path), path, "type"), at(path, "type"), BUTTON_TYPES)
        kinds.append(kind)
        if kind not in ("COPY_CODE", "OTP") and len(string(required(button, path, "text"), at(path, "text"))) > BUTTON:
            raise _too_long("button text", BUTTON)
        _check_button(kind, button, path)
    for kind, limit in (("URL", URLS), ("PHONE_NUMBER", PHONES), ("COPY_CODE", CODES)):
        if kinds.count(kind) > limit:
            raise bad_parameter(f"Param buttons must have at most {limit} buttons of type {kind}.")
    replies = [index for index, kind in enumerate(kinds) if kind == "QUICK_REPLY"]
    if replies and replies[-1] - replies[0] + 1 != len(replies):
        raise bad_parameter("Quick reply buttons must be grouped together.")


def _check_button(kind: str, button: dict[str, Any], path: str) -> None:
    if kind == "URL":
        url = string(required(button, path, "url"), at(path, "url"), URL)
        if not url.startswith(("http://", "https://")) or len(VARIABLE.findall(url)) > 1:
            raise bad_parameter(f"Param {at(path, 'url')} is not a valid URI.")
        if VARIABLE.search(url) and not url.rstrip().endswith("}}"):
            raise bad_parameter(f"The variable of {at(path, 'url')} must be at its end.")
        if VARIABLE.search(url) and not button.get("example"):
            raise template_problem(2388043, "Sample missing", "A URL with a variable needs a sample in example.")
    elif kind == "PHONE_NUMBER":
        number = re.sub(r"[ ()\-]", "", str(required(button, path, "phone_number")))
        if not _PHONE.match(number):
            raise GraphError(192, f"(#192) Param {at(path, 'phone_number')} is not a valid phone number.")
    elif kind == "COPY_CODE":
        example = button.get("example")
        code = example[0] if isinstance(example, list) and example else example
        if not isinstance(code, str) or not 1 <= len(code) <= COUPON:
            raise template_problem(2388055, "Coupon code not valid", f"A coupon code has 1 to {COUPON} characters.")


def _check_carousel(carousel: dict[str, Any] | None, parameter_format: str) -> None:
    if carousel is None:
        return
    outlines = []
    for index, card in enumerate(sequence(carousel.get("cards"), "cards", CARDS, 2)):
        path = at("cards", index)
        parts = {
            str(part.get("type", "")).upper(): part
            for part in sequence(required(mapping(card, path), path, "components"), at(path, "components"), 3, 1)
        }
        header = mapping(parts.get("HEADER"), at(path, "HEADER"))
        if str(header.get("format", "")).upper() not in ("IMAGE", "VIDEO", "PRODUCT"):
            raise template_problem(
                2388047, "Header not valid", "A card needs an image, a video or a product as its header."
            )
        if "BODY" in parts:
            _check_texts({"BODY": parts["BODY"]}, parameter_format, CARD_BODY)
        check_buttons(parts.get("BUTTONS"), 2)
        buttons = [str(button.get("type", "")).upper() for button in parts.get("BUTTONS", {}).get("buttons", [])]
        outlines.append((sorted(parts), str(header.get("format")).upper(), buttons))
    if any(outline != outlines[0] for outline in outlines):
        raise bad_parameter("All cards of a carousel must have the same components.")


def _too_long(what: str, most: int) -> GraphError:
    return template_problem(2388040, "Character limit exceeded", f"The {what} is longer than {most} characters.")


def _unexpected(text: str) -> GraphError:
    return template_problem(2388042, "Unexpected fields", text)
