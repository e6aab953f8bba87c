"""Who a message goes to: a phone number in E.164, or a business-scoped user id."""

import re

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
