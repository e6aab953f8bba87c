"""Buttons of templates: kinds, counts, combinations and what each kind needs, as Meta checks them. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from services.templates.texts import VARIABLE, Findings, variables

MOST, MOST_OF_A_CARD = 10, 2
TEXT, URL, PHONE, COUPON = 25, 2000, 20, 20  # characters
KINDS = (
    "QUICK_REPLY", "URL", "PHONE_NUMBER", "COPY_CODE", "OTP", "FLOW", "CATALOG", "MPM", "SPM", "VOICE_CALL",
    "CALL_PERMISSIONS_REQUEST", "ORDER_DETAILS", "APP",
)  # fmt: skip
COUNTS = {
    "URL": 2, "PHONE_NUMBER": 1, "COPY_CODE": 1, "FLOW": 1, "CATALOG": 1, "MPM": 1, "SPM": 1, "VOICE_CALL": 1,
    "ORDER_DETAILS": 1,
}  # fmt: skip
ALONE = ("CATALOG", "MPM", "SPM", "ORDER_DETAILS")  # these make a template of their own kind, without other buttons
WITHOUT_TEXT = ("COPY_CODE",)  # Meta words it
FLOW_ACTIONS = ("NAVIGATE", "DATA_EXCHANGE")
OTP_TYPES = ("COPY_CODE", "ONE_TAP", "ZERO_TAP")
MOST_APPS = 5
_PHONE = re.compile(r"\+?[0-9 ()\-]{5,20}")
_PACKAGE = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)+")
SIGNATURE = 11  # characters of an app's signing key hash

Button = Mapping[str, Any]


def check_buttons(found: Findings, path: str, component: Mapping[str, Any], most: int = MOST) -> list[str]:
    """Check a BUTTONS component, and return the kinds of its buttons."""
    kinds = []
    for place, button in enumerate(found.objects(component.get("buttons"), f"{path}.buttons", 1, most)):
        where = f"{path}.buttons.{place}"
        kind = found.choice(button, where, "type", KINDS)
        kinds.append(kind or "")
        if kind == "OTP":
            found.add(f"{where}.type", "Only authentication templates have a button of type OTP.")
        elif kind is not None:
            if kind not in WITHOUT_TEXT:
                _check_text(found, where, button)
            _CHECKS.get(kind, _nothing)(found, where, button)
    _check_together(found, f"{path}.buttons", kinds)
    return kinds


def check_code_button(found: Findings, path: str, component: Mapping[str, Any]) -> None:
    """Check the buttons of an authentication template: exactly one, for the code."""
    buttons = found.objects(component.get("buttons"), f"{path}.buttons", 1, 1)
    for button in buttons:
        where = f"{path}.buttons.0"
        if found.choice(button, where, "type", ("OTP",)) is None:
            return
        kind = found.choice(button, where, "otp_type", OTP_TYPES)
        if button.get("text") is not None:
            found.text(button, where, TEXT)
        if kind in ("ONE_TAP", "ZERO_TAP"):
            _check_apps(found, where, button)
        if kind == "ZERO_TAP" and button.get("zero_tap_terms_accepted") is not True:
            found.add(f"{where}.zero_tap_terms_accepted", "Must be true: Meta asks that its terms are accepted.")


def _check_apps(found: Findings, where: str, button: Button) -> None:
    """Check the apps that may take a code; one app's fields may stand on the button itself."""
    if "supported_apps" in button or "package_name" not in button:
        listed = found.objects(button.get("supported_apps"), f"{where}.supported_apps", 1, MOST_APPS)
        apps = [(f"{where}.supported_apps.{place}", app) for place, app in enumerate(listed)]
    else:
        apps = [(where, button)]
    for path, app in apps:
        if not _PACKAGE.fullmatch(str(app.get("package_name", ""))):
            found.add(f"{path}.package_name", "Must be an Android package, for example com.example.app.")
        if len(str(app.get("signature_hash", ""))) != SIGNATURE:
            found.add(f"{path}.signature_hash", f"Must have {SIGNATURE} characters.")


def _check_together(found: Findings, path: str, kinds: Sequence[str]) -> None:
    for kind, most in COUNTS.items():
        if kinds.count(kind) > most:
            found.add(path, f"May have at most {most} of type {kind}; there are {kinds.count(kind)}.")
    for kind in ALONE:
        if kind in kinds and len(kinds) > kinds.count(kind):
            found.add(path, f"A button of type {kind} stands alone.")
    replies = [place for place, kind in enumerate(kinds) if kind == "QUICK_REPLY"]
    if replies and replies[-1] - replies[0] + 1 != len(replies):
        found.add(f"{path}.{replies[-1]}", "Quick replies stand together, before or after the other buttons.")


def _check_text(found: Findings, where: str, button: Button) -> None:
    text = found.text(button, where, TEXT)
    if text is not None and VARIABLE.search(text):
        found.add(f"{where}.text", "A button's text has no variables.")


def _check_url(found: Findings, where: str, button: Button) -> None:
    url = found.text(button, where, URL, "url")
    if url is None:
        return
    names = variables(url)
    if not url.startswith(("https://", "http://")) or any(char.isspace() for char in VARIABLE.sub("", url)):
        found.add(f"{where}.url", "Must be an address that begins with https:// or http://.")
    elif len(names) > 1 or (names and not url.endswith("}}")):
        found.add(f"{where}.url", "May have one variable, at its end.")
    elif names:
        example = button.get("example")
        given = example[0] if isinstance(example, list) and example else example
        if not isinstance(given, str) or not given:
            found.add(f"{where}.example", "Needs an example of the address, in a list.")


def _check_phone(found: Findings, where: str, button: Button) -> None:
    phone = button.get("phone_number")
    if not isinstance(phone, str) or len(phone) > PHONE or not _PHONE.fullmatch(phone):
        found.add(f"{where}.phone_number", f"Must be a phone number of at most {PHONE} characters.")


def _check_coupon(found: Findings, where: str, button: Button) -> None:
    example = button.get("example")
    code = example[0] if isinstance(example, list) and example else example
    if not isinstance(code, str) or not 1 <= len(code) <= COUPON:
        found.add(f"{where}.example", f"Needs an example of the code, of 1 to {COUPON} characters.")


def _check_flow(found: Findings, where: str, button: Button) -> None:
    named = [field for field in ("flow_id", "flow_name", "flow_json") if button.get(field)]
    if len(named) != 1:
        found.add(where, "Needs exactly one of flow_id, flow_name and flow_json.")
    if "flow_action" in button:
        found.choice(button, where, "flow_action", FLOW_ACTIONS)


def _nothing(found: Findings, where: str, button: Button) -> None:
    """The kind needs nothing beyond its text."""


_CHECKS: dict[str, Callable[[Findings, str, Button], None]] = {
    "URL": _check_url, "PHONE_NUMBER": _check_phone, "COPY_CODE": _check_coupon, "FLOW": _check_flow,
}  # fmt: skip
