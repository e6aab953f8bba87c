"""Free-form messages other than interactive ones: Meta's limits of media, locations, contact cards and reactions.

Source: Meta's message reference.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from libs.graph.places import Place, Problem

TEXT = 4096  # characters of a text body
CAPTION = 1024  # characters below a picture, a video or a document
FILENAME = 240  # characters; WhatsApp shows no more
PLACE_NAME = 1000  # characters of a location's name or address
CARDS = 257  # contact cards of one message
CARD_LISTS = 100  # phones, addresses and the like of one card
CARD_TEXT = 2000  # characters of any text of a card
EMOJI = 32  # code points: the longest family of skin tones has ten

# What a kind of media may have beside its file.
MEDIA = {
    "image": frozenset({"caption"}),
    "document": frozenset({"caption", "filename"}),
    "audio": frozenset({"voice"}),
    "video": frozenset({"caption"}),
    "sticker": frozenset[str](),
}

_NAME_PARTS = ("first_name", "last_name", "middle_name", "suffix", "prefix")
_LISTS = {
    "phones": ("phone", "type", "wa_id"),
    "emails": ("email", "type"),
    "addresses": ("street", "city", "state", "zip", "country", "country_code", "type"),
    "urls": ("url", "type"),
}
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_KEYCAP = "\u20e3"  # makes a digit, `#` or `*` an emoji


def contacts_problems(contacts: Sequence[Any]) -> list[Problem]:
    """Return what Meta would not take of a list of contact cards, each with its path."""
    found: list[Problem] = []
    for card in Place({"contacts": contacts}, "", found).items("contacts", CARDS):
        card.only("name", "org", "birthday", *_LISTS)
        _name(card)
        for field, parts in _LISTS.items():
            for item in card.items(field, CARD_LISTS, least=0, needed=False):
                _texts(item, parts)
        if (org := card.object("org", needed=False)) is not None:
            _texts(org, ("company", "department", "title"))
        birthday = card.text("birthday", 10, needed=False)
        if birthday is not None and not _DATE.fullmatch(birthday):
            card.wrong("Must be of the form YYYY-MM-DD.", "birthday")
    return found


def _name(card: Place) -> None:
    name = card.object("name")
    if name is None:
        return
    name.only("formatted_name", *_NAME_PARTS)
    name.text("formatted_name", CARD_TEXT)
    for part in _NAME_PARTS:
        name.text(part, CARD_TEXT, needed=False)
    if not any(name.value.get(part) for part in _NAME_PARTS):
        name.wrong(f"Needs one of {', '.join(_NAME_PARTS)} beside formatted_name.")


def _texts(place: Place, fields: tuple[str, ...]) -> None:
    place.only(*fields)
    for field in fields:
        place.text(field, CARD_TEXT, least=0, needed=False)


def is_emoji(text: str) -> bool:
    """Tell whether a text may be one emoji: symbols and what joins them, no letters and no words."""
    if not 1 <= len(text) <= EMOJI or any(unicodedata.category(char)[0] in "LZ" for char in text):
        return False
    return _KEYCAP in text or not any(char.isascii() for char in text)
