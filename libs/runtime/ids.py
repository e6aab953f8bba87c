"""Ids: UUIDs of version 7 for what we make, name-based ones where the same thing must get the same id."""

import hashlib
import uuid
from datetime import datetime

from uuid_utils import UUID, uuid5, uuid7

NAMESPACE = UUID("5f1c3b52-6f0e-5a57-9a54-6d7761627573")


def new_id() -> str:
    """Return a new UUIDv7 in text form: ids of one process sort in the order they were made."""
    return str(uuid7())


def derived_id(*parts: str) -> str:
    """Return the one UUID (version 5) that belongs to these parts, the same on every machine."""
    return str(uuid5(NAMESPACE, "\x1f".join(parts)))


def derived_time_id(moment: datetime, *parts: str) -> str:
    """Return the one UUIDv7 of this time and these parts: it sorts by the time, a repeat gives it again."""
    digest = int.from_bytes(hashlib.sha256("\x1f".join(parts).encode()).digest()[:10], "big")
    stamp = int(moment.timestamp() * 1000) & ((1 << 48) - 1)
    value = stamp << 80 | digest & ((1 << 80) - 1)
    value = value & ~(0xF << 76) | 7 << 76  # version
    value = value & ~(0x3 << 62) | 2 << 62  # variant
    return _text(value)


def time_id_after(moment: datetime, other: str, number: int) -> str:
    """Return the one UUIDv7 of this time, another UUID and a number: ids of one time sort as the other ones do.

    What is stored in that order goes to the end of an index, not all over it.
    """
    bits = uuid.UUID(other).int >> 54 ^ number  # the first 74 bits
    stamp = int(moment.timestamp() * 1000) & ((1 << 48) - 1)
    return _text(stamp << 80 | 7 << 76 | bits >> 62 << 64 | 2 << 62 | bits & ((1 << 62) - 1))


def earliest_id(moment: datetime) -> str:
    """Return the least UUIDv7 of a time: all ids of that time and later sort at or after it."""
    stamp = int(moment.timestamp() * 1000) & ((1 << 48) - 1)
    return _text(stamp << 80 | 7 << 76 | 2 << 62)


def is_uuid(text: str) -> bool:
    """Tell whether the text is a UUID in its canonical form."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def _text(value: int) -> str:
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
