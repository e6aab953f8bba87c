"""Looking through an object that a client wrote for Meta: each thing that is wrong is noted with its exact path."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

REQUIRED = "This field is required."
LINK = 2000  # characters of an address
_DIGITS = re.compile(r"[0-9]{1,32}")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that does not fit: where (`components.0.parameters`) and what is expected."""

    path: str
    message: str


class Place:
    """An object at a path. Its methods read a field, note what is wrong with it, and return it where it is right."""

    __slots__ = ("_found", "path", "value")

    def __init__(self, value: Mapping[str, Any], path: str, found: list[Problem]) -> None:
        self.value = value
        self.path = path
        self._found = found

    @property
    def problems(self) -> int:
        """How many things have been noted so far, here and elsewhere."""
        return len(self._found)

    def below(self, field: str) -> "Place":
        """Return the place of a field, for what is to be noted there."""
        return Place({}, self._at(field), self._found)

    def wrong(self, message: str, field: str | int | None = None) -> None:
        """Note what is wrong here, or with one field."""
        self._found.append(Problem(self.path if field is None else self._at(field), message))

    def has(self, field: str) -> bool:
        """Tell whether a field is given; null is not."""
        return self.value.get(field) is not None

    def only(self, *fields: str) -> None:
        """Note fields that are none of these."""
        for field in self.value:
            if field not in fields:
                self.wrong(f"This field is not known; there are {', '.join(fields)}.", str(field)[:64])

    def text(self, field: str, most: int, *, least: int = 1, needed: bool = True) -> str | None:
        """Read a text of `least` to `most` characters."""
        text = self._given(field, needed)
        if text is None:
            return None
        if not isinstance(text, str):
            self.wrong("Must be a text.", field)
        elif not least <= len(text) <= most:
            self.wrong(f"Must have {least} to {most} characters; it has {len(text)}.", field)
        elif least and not text.strip():
            self.wrong("Must not be blank.", field)
        elif "\x00" in text:
            self.wrong("Must not contain the character NUL.", field)
        else:
            return text
        return None

    def link(self, field: str, *, needed: bool = True) -> None:
        """Read an http or https address."""
        text = self.text(field, LINK, needed=needed)
        if text is not None and not is_link(text):
            self.wrong("Must be an http or https address.", field)

    def choice(self, field: str, choices: Collection[str], *, needed: bool = True) -> str | None:
        """Read one of a few words."""
        word = self._given(field, needed)
        if word is None or (isinstance(word, str) and word in choices):
            return word
        self.wrong(f"Must be one of {', '.join(choices)}.", field)
        return None

    def object(self, field: str, *, needed: bool = True) -> "Place | None":
        """Read an object."""
        value = self._given(field, needed)
        if value is None:
            return None
        if isinstance(value, dict):
            return Place(value, self._at(field), self._found)
        self.wrong("Must be an object.", field)
        return None

    def items(self, field: str, most: int, *, least: int = 1, needed: bool = True) -> list["Place"]:
        """Read a list of `least` to `most` objects."""
        value = self._given(field, needed)
        if value is None:
            return []
        if not isinstance(value, list):
            self.wrong("Must be a list.", field)
            return []
        if not least <= len(value) <= most:
            self.wrong(f"Must have {least} to {most} items; it has {len(value)}.", field)
            return []
        found = []
        for place, item in enumerate(value):
            if isinstance(item, dict):
                found.append(Place(item, f"{self._at(field)}.{place}", self._found))
            else:
                self.wrong("Must be an object.", f"{field}.{place}")
        return found

    def media(self, field: str, *more: str) -> None:
        """Read a media object: exactly one of `id` (as the upload gave it) and `link`."""
        media = self.object(field)
        if media is None:
            return
        media.only("id", "link", *more)
        if media.has("id") == media.has("link"):
            media.wrong("Must have exactly one of id and link.")
        elif media.has("link"):
            media.link("link")
        elif (given := media.text("id", 32)) is not None and not _DIGITS.fullmatch(given):
            media.wrong("Must be the id of an upload: digits.", "id")

    def _given(self, field: str, needed: bool) -> Any:
        value = self.value.get(field)
        if value is None and needed:
            self.wrong(REQUIRED, field)
        return value

    def _at(self, field: str | int) -> str:
        return f"{self.path}.{field}" if self.path else str(field)


def unique(places: Collection[Place], field: str) -> None:
    """Note each place whose field says what an earlier one's says."""
    seen = set()
    for place in places:
        value = place.value.get(field)
        if isinstance(value, str) and value in seen:
            place.wrong("Must be unique.", field)
        if isinstance(value, str):
            seen.add(value)


def is_link(text: str) -> bool:
    """Tell whether a text is an http or https address with a host; whether something is there, Meta finds out."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and not re.search(r"\s", text)
    except ValueError:
        return False
