"""Pages: newest first, by cursor. `starting_after` is the id of the last row of the page before."""

from collections.abc import Sequence
from typing import Any

from libs.runtime.ids import is_uuid
from libs.web.errors import BadRequest, FieldProblem, Invalid

DEFAULT = 20  # rows: a screenful
MOST = 100  # rows: what one answer may cost


def page_limit(text: str | None) -> int:
    """Read `limit` (1 to 100, default 20); raises Invalid."""
    if text is None:
        return DEFAULT
    if not text.isascii() or not text.isdigit() or len(text) > 3 or not 1 <= int(text) <= MOST:
        words = f"Must be a number from 1 to {MOST}."
        raise Invalid(f"limit: {words}", param="limit", code="invalid_field", errors=[FieldProblem("limit", words)])
    return int(text)


def page_cursor(text: str | None) -> str | None:
    """Read `starting_after`; raises BadRequest where it is not an id of ours."""
    if text is not None and not is_uuid(text):
        raise BadRequest("starting_after must be the id of the last row of the page before.", param="starting_after")
    return text


def listing(rows: Sequence[dict[str, Any]], limit: int) -> dict[str, Any]:
    """Return a page of up to `limit` rows; one row more than that says that there are more."""
    return {"object": "list", "data": list(rows[:limit]), "has_more": len(rows) > limit}
