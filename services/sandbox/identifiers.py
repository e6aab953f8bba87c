"""Ids as Meta makes them: Graph ids, wamids, tokens, business-scoped user ids, and the canonical `wa_id`."""

import base64
import hashlib
import re
import secrets
from functools import lru_cache

import phonenumbers

BUSINESS_SENT, USER_SENT = b"\x11", b"\x12"
BSUID = re.compile(r"^[A-Z]{2}(\.ENT)?\.[A-Za-z0-9]{1,128}$")
_TYPED = re.compile(r"^\+?[0-9 ()\-.]+$")
_TOO_SHORT, _TOO_LONG = 7, 15  # digits of an E.164 number


def graph_id() -> str:
    """Return a new id of a Graph object: 15 or 16 decimal digits."""
    return str(secrets.randbelow(9 * 10**14) + 10**14)


def access_token() -> str:
    """Return a new token in the shape of Meta's: `EAA` and letters and digits."""
    return "EAA" + "".join(c for c in base64.b64encode(secrets.token_bytes(120)).decode() if c.isalnum())


def trace_id() -> str:
    """Return a new `fbtrace_id`."""
    return "A" + secrets.token_urlsafe(16)


def wamid(person: str, direction: bytes) -> str:
    """Return a new message id: the person's digits (or user id) and a random hex id, as Meta packs them in base64."""
    random_id = secrets.token_hex(9 if direction == BUSINESS_SENT else 10).upper().encode()
    who = person.encode()
    packed = (
        b"\x1c\x18"
        + bytes([len(who)])
        + who
        + b"\x15\x02\x00"
        + direction
        + b"\x18"
        + bytes([len(random_id)])
        + random_id
        + b"\x00"
    )
    return "wamid." + base64.b64encode(packed).decode()


def scoped_user_id(portfolio_id: str, wa_id: str) -> str:
    """Return the user id that this person has for this business: the same every time, telling nothing to another."""
    digest = hashlib.sha256(f"{portfolio_id}:{wa_id}".encode()).digest()
    country = {"1": "US", "4": "GB", "5": "BR", "9": "IN", "3": "FR", "2": "ZA", "6": "ID", "7": "RU", "8": "JP"}
    return f"{country.get(wa_id[:1], 'US')}.{int.from_bytes(digest[:8], 'big') % 10**17:017d}"


def digits_of(typed: str) -> str | None:
    """Return the digits of a phone number as typed (`+`, spaces, hyphens, parentheses tolerated), or None."""
    if not _TYPED.match(typed):
        return None
    digits = "".join(c for c in typed if c.isdigit())
    return digits if _TOO_SHORT <= len(digits) <= _TOO_LONG else None


def canonical(digits: str) -> str:
    """Return Meta's `wa_id` of a number: Brazil's ninth digit, Mexico's 1 and Argentina's 9 as WhatsApp keeps them.

    Meta does not publish the rules: this is the table that integrators share. Brazil's mobile numbers have the ninth
    digit up to area code 28 and not beyond; what begins with 2 to 5 without it is a landline.
    """
    first = digits[:2]
    if first == "55" and len(digits) == 13 and digits[4] == "9" and digits[5] not in "2345" and digits[2:4] > "28":
        return digits[:4] + digits[5:]
    if first == "55" and len(digits) == 12 and digits[4] not in "2345" and digits[2:4] <= "28":
        return digits[:4] + "9" + digits[4:]
    if first == "52" and len(digits) == 12:
        return "521" + digits[2:]
    if first == "54" and len(digits) == 12:
        return "549" + digits[2:]
    return digits


def country_of(person: str) -> str:
    """Return the country of a `wa_id` or user id (ISO 3166, two letters), `ZZ` where there is none."""
    return _country(person[:4]) if person.isdigit() else person[:2]


@lru_cache(maxsize=10_000)  # every beginning of four digits
def _country(beginning: str) -> str:
    if beginning[:1] == "1":  # many countries share it: the area code decides
        area = phonenumbers.parse(f"+{beginning}2345678"[:12])
        return phonenumbers.region_code_for_number(area) or "US"
    codes = phonenumbers.COUNTRY_CODE_TO_REGION_CODE
    found = next(
        (codes[int(code)] for code in (beginning[:2], beginning[:3], beginning[:1]) if int(code) in codes), None
    )
    return found[0] if found is not None else "ZZ"
