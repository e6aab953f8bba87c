"""The strict check of a message body: what every type shares, then the type's own."""

from dataclasses import dataclass
from typing import Any

from services.sandbox.checks.free_form import (
    MEDIA,
    check_contacts,
    check_context,
    check_location,
    check_media,
    check_reaction,
    check_recipient_type,
    check_text,
)
from services.sandbox.checks.interactive import check_interactive
from services.sandbox.checks.shapes import mapping, one_of, required, string
from services.sandbox.errors import refusal
from services.sandbox.identifiers import BSUID, canonical, digits_of

CALLBACK_DATA = 512  # characters; the figure that integrators report
TYPES = (
    "audio",
    "contacts",
    "document",
    "image",
    "interactive",
    "location",
    "reaction",
    "sticker",
    "template",
    "text",
    "video",
)


@dataclass(frozen=True, slots=True)
class CheckedMessage:
    """A message body that Meta would take; `person` is a `wa_id` or a business-scoped user id."""

    type: str
    person: str
    by_user_id: bool
    typed: str
    callback: str | None
    content: Any


def check_message(body: dict[str, Any]) -> CheckedMessage:
    """Check a message body.

    Templates are checked against the stored ones elsewhere. Raises GraphError 100, 131008, 131009 or 131051.
    """
    check_product(body)
    if body.get("recipient_type") is not None:
        check_recipient_type(body["recipient_type"])
    person, typed, by_user_id = _recipient(body)
    kind = body.get("type") or "text"
    if kind not in TYPES:
        kind = one_of(kind, "type", TYPES)
    content = required(body, "", kind)
    if kind == "contacts":
        check_contacts(content)
    else:
        _check(kind, mapping(content, kind))
    if body.get("context") is not None:
        check_context(body["context"])
        if kind == "reaction":
            raise refusal(131009, "A reaction message cannot be sent as a contextual reply.")
    callback = body.get("biz_opaque_callback_data")
    if callback is not None:
        string(callback, "biz_opaque_callback_data", CALLBACK_DATA, 0)
    return CheckedMessage(kind, person, by_user_id, typed, callback, content)


def check_product(body: dict[str, Any]) -> None:
    """Check `messaging_product`, which every messaging call needs."""
    product = required(body, "", "messaging_product")
    if product != "whatsapp":
        one_of(product, "messaging_product", ("whatsapp",))


def _recipient(body: dict[str, Any]) -> tuple[str, str, bool]:
    if body.get("to") is None and body.get("recipient") is not None:
        user_id = string(body["recipient"], "recipient", 150)
        if not BSUID.match(user_id):
            raise refusal(131009, "Param recipient is not a valid business-scoped user ID.")
        return user_id, user_id, True
    typed = required(body, "", "to")
    digits = digits_of(string(typed, "to", 64))
    if digits is None:
        raise refusal(131009, "Param to is not a valid phone number.")
    return canonical(digits), typed, False


def _check(kind: str, content: dict[str, Any]) -> None:
    if kind == "text":
        check_text(content)
    elif kind in MEDIA:
        check_media(kind, content, kind)
    elif kind == "interactive":
        check_interactive(content)
    elif kind == "location":
        check_location(content)
    elif kind == "reaction":
        check_reaction(content)


def check_read(body: dict[str, Any]) -> str:
    """Check a mark-as-read call (with an optional typing indicator) and return the wamid it names."""
    if body.get("status") != "read":
        one_of(body.get("status"), "status", ("read",))
    typing = body.get("typing_indicator")
    if typing is not None and mapping(typing, "typing_indicator").get("type") != "text":
        one_of(typing.get("type"), "typing_indicator['type']", ("text",))
    return string(required(body, "", "message_id"), "message_id", 256)
