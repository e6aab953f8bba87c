"""Reading Meta's webhook bodies: every entry, change, message and status apart, so that one bad item harms no other.

Meta's own examples misplace and omit fields: each item is read defensively, and what does not fit is returned with its
reason instead of raised.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_ROUTE = re.compile(rb'"phone_number_id"\s*:\s*"(\d{1,32})"')
_ENTRY = re.compile(rb'"id"\s*:\s*"(\d{1,32})"')


def routing_key(raw: bytes) -> bytes:
    """Return the first phone number id in the body, else the first id (the WABA's), else an empty key."""
    found = _ROUTE.search(raw) or _ENTRY.search(raw)
    return found.group(1) if found else b""


@dataclass(frozen=True, slots=True)
class Change:
    """One change: its field, its value, the WABA (or other owner) of its entry, and Meta's time where it has one."""

    waba_id: str
    field: str
    value: dict[str, Any]
    at: datetime | None


@dataclass(frozen=True, slots=True)
class StatusItem:
    """One status of a `messages` change, with the number it is about."""

    waba_id: str
    phone_number_id: str
    item: dict[str, Any]


@dataclass(frozen=True, slots=True)
class MessageItem:
    """One inbound message of a `messages` change, with its number and the contact that Meta sent along."""

    waba_id: str
    phone_number_id: str
    item: dict[str, Any]
    contact: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Misfit:
    """A part of the body that does not have the shape it should: kept aside with its reason."""

    reason: str
    part: Any


WebhookItem = Change | StatusItem | MessageItem | Misfit


class UnreadableWebhook(Exception):
    """The body is not a JSON object with a list of entries."""


def read_webhook(raw: bytes) -> list[WebhookItem]:
    """Take a body apart; raises UnreadableWebhook where it has no entries at all."""
    try:
        body = json.loads(raw, parse_constant=_nothing, parse_float=_finite)
    except (ValueError, RecursionError):
        raise UnreadableWebhook("not JSON") from None
    if b"\\ud" in raw or b"\\uD" in raw:
        try:
            body = _in_unicode(body)
        except RecursionError:
            raise UnreadableWebhook("nested too deeply") from None
    entries = body.get("entry") if isinstance(body, dict) else None
    if not isinstance(entries, list):
        raise UnreadableWebhook("no list of entries")
    return [item for entry in entries for item in _entry(entry)]


def _nothing(_: str) -> None:
    """Read `NaN` and `Infinity` as nothing: Python's JSON takes them, no other reader does."""


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _in_unicode(body: Any) -> Any:
    """Return the body with half surrogates replaced: JSON lets them through, but no store and no reader takes them."""
    text = json.dumps(body, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    return body


def _entry(entry: Any) -> Iterator[WebhookItem]:
    if not isinstance(entry, dict) or not isinstance(entry.get("changes"), list):
        yield Misfit("entry without changes", entry)
        return
    waba_id = str(entry.get("id", ""))[:64]
    at = moment(entry.get("time"))
    for change in entry["changes"]:
        if not isinstance(change, dict) or not isinstance(change.get("value"), dict):
            yield Misfit("change without a value", change)
            continue
        value = change["value"]
        field = change.get("field")
        if not isinstance(field, str):
            yield Misfit("change without a field", change)
        elif field == "messages":
            yield from _messages(waba_id, value, at)
        else:
            yield Change(waba_id, field, value, at)


def _messages(waba_id: str, value: dict[str, Any], at: datetime | None) -> Iterator[WebhookItem]:
    metadata = value.get("metadata")
    number = metadata.get("phone_number_id") if isinstance(metadata, dict) else None
    if not isinstance(number, str) or not number:
        yield Misfit("messages without a phone_number_id", value)
        return
    contacts = [contact for contact in _list(value, "contacts") if isinstance(contact, dict)]
    for message in _list(value, "messages"):
        if not isinstance(message, dict) or not isinstance(message.get("id"), str):
            yield Misfit("message without an id", message)
        else:
            yield MessageItem(waba_id, number, message, _contact_of(message, contacts))
    for status in _list(value, "statuses"):
        if not isinstance(status, dict) or not isinstance(status.get("id"), str):
            yield Misfit("status without an id", status)
        else:
            yield StatusItem(waba_id, number, status)
    if _list(value, "errors"):
        yield Change(waba_id, "messages.errors", {"phone_number_id": number, "errors": value["errors"]}, at)


def _list(value: dict[str, Any], name: str) -> list[Any]:
    found = value.get(name)
    return found if isinstance(found, list) else []


def _contact_of(message: dict[str, Any], contacts: list[dict[str, Any]]) -> dict[str, Any]:
    for ours, theirs in (("from", "wa_id"), ("from_user_id", "user_id")):
        if (name := message.get(ours)) is not None:
            for contact in contacts:
                if contact.get(theirs) == name:
                    return contact
    return contacts[0] if len(contacts) == 1 else {}


def moment(value: Any) -> datetime | None:
    """Read Meta's time (seconds since 1970 as number or text); None where it is none, or not of this world."""
    try:
        seconds = int(value)
    except (TypeError, ValueError, OverflowError):  # the last for an infinity, which Python's JSON reads
        return None
    if seconds > 100_000_000_000:  # milliseconds, as some fields carry
        seconds //= 1000
    if not 0 < seconds < 4_102_444_800:  # before the year 2100
        return None
    return datetime.fromtimestamp(seconds, UTC)
