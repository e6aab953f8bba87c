"""Pages of Graph edges, with cursors as Meta gives them."""

import base64
import binascii
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from services.sandbox.errors import refusal

_SUFFIX = "ZD"  # real cursors end so; ours do, so that nobody takes them for plain base64


def page_of(
    items: list[dict[str, Any]],
    request: Request,
    default: int = 25,
    most: int = 100,
    more: dict[str, Any] | None = None,
) -> Response:
    """Return one page: cursors always, `next` and `previous` only where there is such a page; `more` stands beside it.

    Raises GraphError 131059 when a cursor is not one of ours or points beyond the list.
    """
    beside = more or {}
    start, end = _bounds(request, len(items), default, most)
    page = items[start:end]
    if not page:
        return JSONResponse({"data": []} | beside)
    cursors = {"before": _cursor(start), "after": _cursor(end - 1)}
    paging: dict[str, Any] = {"cursors": cursors}
    if end < len(items):
        paging["next"] = str(request.url.remove_query_params("before").include_query_params(after=cursors["after"]))
    if start > 0:
        paging["previous"] = str(
            request.url.remove_query_params("after").include_query_params(before=cursors["before"])
        )
    return JSONResponse({"data": page, "paging": paging} | beside)


def _bounds(request: Request, count: int, default: int, most: int) -> tuple[int, int]:
    query = request.query_params
    asked = query.get("limit", "")
    limit = min(max(int(asked) if asked.isdigit() else default, 1), most)
    if query.get("after"):
        start = _position(query["after"], count) + 1
        return start, min(start + limit, count)
    if query.get("before"):
        end = _position(query["before"], count)
        return max(0, end - limit), end
    return 0, min(limit, count)


def _cursor(position: int) -> str:
    return base64.b64encode(str(position).encode()).decode().rstrip("=") + _SUFFIX


def _position(cursor: str, count: int) -> int:
    text = cursor.removesuffix(_SUFFIX)
    try:
        position = int(base64.b64decode(text + "=" * (-len(text) % 4), validate=True))
    except (ValueError, binascii.Error):
        position = -1
    if not 0 <= position < count:
        raise refusal(131059, "The cursor is invalid or has expired; start again from the first page.")
    return position
