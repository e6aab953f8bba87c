"""Reading request bodies: bounded in size and depth, and wrong ones refused by name."""

import json
import re
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from libs.web.errors import ApiError, BadRequest, FieldProblem, Invalid, TooLarge

M = TypeVar("M", bound=BaseModel)

JSON_LIMIT = 1024 * 1024  # bytes
DRAINED = 128 * 1024 * 1024  # bytes of a body too large that are read, so that its sender gets to read the refusal
MOST_PARTS = 2_000_000  # brackets and commas of a body: what 16 MiB of recipients with their values stay far below
DEPTH = 20  # nesting of JSON; the deepest body of Meta's (a carousel template) has nine levels
MOST_PROBLEMS = 20  # problems told of one body

# The last one may not end: so that each quote is looked at once, it is a string all the same.
_STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_AS_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NOT_STRUCTURE = bytes(set(range(256)) - set(b"[]{},"))


async def read_body(request: Request, limit: int = JSON_LIMIT) -> bytes:
    """Return the body; raises TooLarge past `limit` bytes. A slow one is cut off by the server (http_deadlines)."""
    receive = request.receive
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False) and message["type"] == "http.request" and len(body) <= limit:
        return body  # nearly every body comes whole
    chunks, size = [body], len(body)
    while message.get("more_body", False) and size <= DRAINED:
        message = await receive()
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= limit:
            chunks.append(chunk)
        else:
            chunks.clear()  # read on without keeping: who is still writing would not see the answer
    if message["type"] == "http.disconnect":
        raise BadRequest("The connection was closed before the body was complete.")
    if size > limit:
        raise TooLarge(f"The body may have at most {limit} bytes.")
    return b"".join(chunks)


def parse(model: type[M], raw: bytes) -> M:
    """Read a JSON body into a model whose unknown fields are forbidden.

    A value of another kind is not converted: `true` is no number, and `"5"` is none either. Raises BadRequest where it
    is not JSON, not UTF-8 or nested too deeply, and Invalid, naming each field, where it does not fit the model.
    """
    if raw.count(b"{") + raw.count(b"[") > DEPTH or len(raw) > JSON_LIMIT:
        check_depth(raw)
    try:
        return model.model_validate_json(raw, strict=True)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False)
        if problems[0]["type"] == "json_invalid":
            raise _unreadable(raw) from None
        raise refusal(problems) from None


def check_depth(raw: bytes) -> None:
    """Raise BadRequest where the JSON is nested more than `DEPTH` levels deep, or has more than `MOST_PARTS` parts.

    Nothing is built of it: to read millions of empty lists takes seconds, in which nobody else is served.
    """
    left = _STRINGS.sub(b"", raw).translate(_AS_BRACKETS, _NOT_STRUCTURE)
    if len(left) > MOST_PARTS:
        raise BadRequest(f"The body may have at most {MOST_PARTS} values.", code="too_many_values")
    left = left.replace(b",", b"")
    for _ in range(DEPTH):  # each time the innermost level goes: megabytes of brackets take milliseconds
        left = left.replace(b"[]", b"")
    if b"[]" in left or left.count(b"[") > DEPTH:
        raise BadRequest(f"The body may be nested at most {DEPTH} levels deep.", code="too_deep")


def refusal(problems: Any) -> Invalid:
    """Turn pydantic's problems into the answer: the first one leads, all are listed by path."""
    told = [FieldProblem(_path(item["loc"]), _words(item)) for item in problems[:MOST_PROBLEMS]]
    first = told[0]
    code = {"missing": "missing_field", "extra_forbidden": "unknown_field"}.get(problems[0]["type"], "invalid_field")
    return Invalid(f"{first.path}: {first.message}", code=code, param=first.path, errors=told)


def _path(place: tuple[int | str, ...]) -> str:
    return ".".join(str(part)[:64] for part in place) or "body"


def _words(item: Any) -> str:
    if item["type"] == "extra_forbidden":
        return "This field is not known."
    if item["type"] == "missing":
        return "This field is required."
    return str(item["msg"]).removeprefix("Value error, ")


def _unreadable(raw: bytes) -> ApiError:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return BadRequest("The body is not UTF-8.", code="not_utf8")
    try:
        json.loads(raw)
    except (ValueError, RecursionError):
        return BadRequest("The body is not JSON.", code="not_json")
    # JSON by the letter, but with text that is no Unicode (a lone surrogate).
    return BadRequest("The body contains text that is not valid Unicode.", code="not_unicode")
