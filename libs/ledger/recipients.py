"""Who a message goes to: a phone number in E.164, or a business-scoped user id."""

import re
from functools import lru_cache

import phonenumbers

# Plus and 7 to 15 digits (ITU E.164), after the separators that people type are taken out.
_SEPARATORS = re.compile(r"[ \-().]")
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
_USER_ID = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}")

WORDS = "Must be a phone number in E.164 (a plus and 7 to 15 digits) or a business-scoped user id."


def normalised(text: str) -> str | None:
    """Return the recipient as it is stored (`+15550001234` or `US.1349...`), or None where it is neither."""
    if _USER_ID.fullmatch(text):
        return text
    number = _SEPARATORS.sub("", text)
    return number if _NUMBER.fullmatch(number) else None


def is_user_id(recipient: str) -> bool:
    """Tell whether a normalised recipient is a business-scoped user id."""
    return not recipient.startswith("+")


def country_of(recipient: str) -> str | None:
    """Return the country (ISO 3166, two letters) of a recipient, with its plus or without; None where nobody knows.

    Of a number its calling code says it, and the digits after where several countries share one.
    """
    if _USER_ID.fullmatch(recipient):
        return recipient[:2]
    found = _BEGINNING.match(recipient)
    return _country(found[1]) if found is not None else None


_BEGINNING = re.compile(r"\+?([0-9]{4,7})")  # calling code and area: what countries with one calling code differ by
_LONGEST_CODE = 3
_NORTH_AMERICAN = 1  # of its countries those with the most numbers have no digits of their own: the area code tells


@lru_cache(maxsize=10_000)
def _country(beginning: str) -> str | None:
    for length in range(1, _LONGEST_CODE + 1):
        code = beginning[:length]
        regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(code))
        if regions is not None:
            return _of_regions(int(code), beginning[length:], regions)
    return None


def _of_regions(code: int, rest: str, regions: tuple[str, ...]) -> str | None:
    if len(regions) == 1:
        return None if regions[0] == phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY else regions[0]
    if code == _NORTH_AMERICAN:
        some = phonenumbers.PhoneNumber(country_code=code, national_number=int(f"{rest[:3]:0<3}2345678"))
        return phonenumbers.region_code_for_number(some) or regions[0]
    for region in regions:
        facts = phonenumbers.PhoneMetadata.metadata_for_region(region)
        if facts is not None and facts.leading_digits is not None and re.match(facts.leading_digits, rest):
            return region
    return regions[0]
