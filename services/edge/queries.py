"""Reading query parameters: unknown ones and wrong values are refused by name."""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar

from starlette.datastructures import QueryParams

from libs.ledger.recipients import WORDS, normalised
from libs.runtime.ids import is_uuid
from libs.web.errors import wrong

E = TypeVar("E", bound=StrEnum)

PAGE = (("limit", "1 to 100, default 20."), ("starting_after", "Id of the last row of the page before."))


def check_known(query: QueryParams, known: Sequence[tuple[str, str]]) -> None:
    """Raise Invalid where a parameter is not one of the known ones."""
    if unknown := sorted(set(query) - {name for name, _ in known}):
        there_are = f"there are {', '.join(name for name, _ in known)}" if known else "there are none"
        raise wrong(unknown[0], f"This parameter is not known; {there_are}.")


def one_of(query: QueryParams, name: str, kind: type[E]) -> E | None:
    """Read one of an enumeration's words; raises Invalid."""
    text = query.get(name)
    try:
        return None if text is None else kind(text)
    except ValueError:
        raise wrong(name, f"Must be one of {', '.join(kind)}.") from None


def uuid(query: QueryParams, name: str) -> str | None:
    """Read an id of ours; raises Invalid."""
    text = query.get(name)
    if text is not None and not is_uuid(text):
        raise wrong(name, "Must be an id of ours (a UUID).")
    return text


def recipient(query: QueryParams, name: str = "recipient") -> str | None:
    """Read a person's phone number or business-scoped user id; raises Invalid."""
    typed = query.get(name)
    if typed is None:
        return None
    # A plus in a query string is a space unless it is escaped; people forget that.
    found = normalised(f"+{typed.strip()}" if typed.strip().isdigit() else typed)
    if found is None:
        raise wrong(name, WORDS)
    return found


def moment(query: QueryParams, name: str) -> datetime | None:
    """Read a time with an offset; raises Invalid."""
    text = query.get(name)
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise wrong(name, "Must be a time in RFC 3339, for example 2026-11-23T09:30:00Z.") from None
    if at.tzinfo is None:
        raise wrong(name, "Must have an offset, for example Z.")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise wrong(name, "Must be a time that exists in UTC.") from None
