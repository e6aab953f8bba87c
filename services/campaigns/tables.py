"""Recipients as a stream: CSV or one JSON object a line, read as they arrive, never held.

CSV: UTF-8 (a BOM is taken off), a header line, quotes as in RFC 4180. `to` is the person; every other column is a value
for the template: `body.1` or `body.name` (or just `1`, `name`), `header.1`, `header.image` (an address), `button.0`.
"""

import codecs
import csv
import io
import json
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from libs.web.bodies import DEPTH, check_depth
from libs.web.errors import BadRequest, Invalid, WrongMediaType
from services.campaigns.errors import wrong_field

# An export, which can be imported again: of all that it tells, who it is and their values are taken.
EXPORT = ("to", "state", "variant", "round", "message_id", "error_code", "error_message", "components")
LONGEST_LINE = 64 * 1024  # characters of a row: far more than the values of a template can have
MOST_COLUMNS = 100
_BUTTON = re.compile(r"[0-9]{1,3}")
_VALUE = re.compile(r"[0-9]{1,3}|[A-Za-z_][A-Za-z0-9_]{0,63}")
CSV, NDJSON = "text/csv", "application/x-ndjson"

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the line it begins at (from 1), and what it says, or why it cannot be read."""

    line: int
    value: Any
    problem: str | None = None


def media_type_of(content_type: str) -> str:
    """Return which of the two kinds it is; raises WrongMediaType for any other."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in (CSV, NDJSON):
        raise WrongMediaType(f"Send application/json, {NDJSON} or {CSV}.")
    return kind


async def rows_of(media_type: str, chunks: AsyncIterator[bytes]) -> AsyncIterator[Row]:
    """Read rows as they arrive.

    Raises BadRequest for what is no UTF-8, and Invalid for a header that does not fit, a row that is too long, and
    quotes that never close.
    """
    if media_type == CSV:
        async for row in _csv_rows(chunks):
            yield row
        return
    async for line, text in _lines(chunks):
        if text.strip():
            yield _json_row(line, text)


def _json_row(line: int, text: str) -> Row:
    try:
        if text.count("{") + text.count("[") > DEPTH:
            check_depth(text.encode())
        return Row(line, json.loads(text))
    except BadRequest as error:
        return Row(line, None, error.message)
    except (ValueError, RecursionError):
        return Row(line, None, "Must be a JSON object on one line.")


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[tuple[int, str]]:
    """Return (number, line with its end), in UTF-8; raises BadRequest and Invalid."""
    decoder, rest, number = codecs.getincrementaldecoder("utf-8-sig")(), "", 0
    async for chunk in chunks:
        rest += _decoded(decoder, chunk, final=False)
        *whole, rest = rest.split("\n")
        for line in whole:
            number += 1
            _bounded(number, len(line))
            yield number, line + "\n"
        _bounded(number + 1, len(rest))
    rest += _decoded(decoder, b"", final=True)
    if rest:
        yield number + 1, rest


def _decoded(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool) -> str:
    try:
        text = decoder.decode(chunk, final)
    except UnicodeDecodeError:
        raise BadRequest("The file is not UTF-8 text.") from None
    if "\x00" in text:
        raise BadRequest("The file holds the character NUL: it may be UTF-16; send UTF-8.")
    return text


def _bounded(number: int, length: int) -> None:
    if length > LONGEST_LINE:
        words = f"Line {number} is longer than {LONGEST_LINE} characters."
        raise Invalid(words, code="line_too_long", more={"line": number})


async def _csv_rows(chunks: AsyncIterator[bytes]) -> AsyncIterator[Row]:
    columns: Sequence[str] | None = None
    began, parts, length, inside = 0, list[str](), 0, False
    async for number, line in _lines(chunks):
        began, length = began or number, length + len(line)
        parts.append(line)
        inside ^= line.count('"') % 2 == 1
        if inside:  # a quoted value goes on in the next line
            _bounded(began, length)
            continue
        for cells in _cells("".join(parts)):
            if cells is None:
                yield Row(began, None, "Cannot be read as CSV.")
            elif columns is None:
                columns = _checked(cells)
            elif any(cells):
                yield _csv_row(began, columns, cells)
        began, parts, length = 0, [], 0
    if parts:
        words = f"A quote that opens in line {began} is never closed."
        raise Invalid(words, code="unclosed_quote", more={"line": began})
    if columns is None:
        raise Invalid("The file has no header line.", code="missing_header")


def _cells(text: str) -> Iterator[list[str] | None]:
    try:
        yield from csv.reader(io.StringIO(text, newline=""))
    except csv.Error:
        yield None


def _checked(cells: Sequence[str]) -> Sequence[str]:
    """Return the header's names; raises Invalid where `to` is missing, or a name is given twice or is none."""
    names = [cell.strip() for cell in cells]
    if "to" not in names:
        hint = " Columns are parted by commas." if len(names) == 1 and {";", "\t"} & set(names[0]) else ""
        raise wrong_field("header", f"The header line must name a column `to`.{hint}", "missing_header")
    if len(names) > MOST_COLUMNS:
        raise wrong_field("header", f"There may be at most {MOST_COLUMNS} columns.")
    places = [_place(name) or ("", name) for name in names]  # `1` is `body.1`
    if twice := sorted({name for name, place in zip(names, places, strict=True) if places.count(place) > 1}):
        raise wrong_field("header", f"The column {twice[0][:64]!r} is there twice.", "duplicate_column")
    if tuple(names) == EXPORT:
        return names
    for name in names:
        if name != "to" and _place(name) is None:
            words = f"The column {name[:64]!r} is not known; use body.1, body.name, header.1, header.image or button.0."
            raise wrong_field("header", words, "unknown_column")
    return names


def _place(name: str) -> tuple[str, str] | None:
    """Return the component and the value's name or place that a column stands for."""
    part, dot, rest = name.partition(".")
    if not dot:
        part, rest = "body", name
    if part == "button":
        return (part, rest) if _BUTTON.fullmatch(rest) else None
    return (part, rest) if part in ("body", "header") and _VALUE.fullmatch(rest) else None


def _csv_row(line: int, columns: Sequence[str], cells: Sequence[str]) -> Row:
    if len(cells) != len(columns):
        return Row(line, None, f"Has {len(cells)} values, the header has {len(columns)} columns.")
    values = dict(zip(columns, cells, strict=True))
    row: Document = {"to": values.pop("to").strip().removeprefix("'")}  # as exports have it before a plus
    if tuple(columns) == EXPORT:
        return _exported_row(line, row["to"], values["components"])
    if components := _components(values):
        row["components"] = components
    return Row(line, row)


def _exported_row(line: int, to: str, components: str) -> Row:
    try:
        return Row(line, {"to": to} | ({"components": json.loads(components)} if components else {}))
    except (ValueError, RecursionError):
        return Row(line, None, "`components` must be JSON, as the export has it.")


def _components(values: dict[str, str]) -> list[Document]:
    parameters: dict[str, list[Document]] = {"header": [], "body": []}
    buttons: list[Document] = []
    for name, value in sorted(values.items(), key=_order):
        part, rest = _place(name) or ("", "")
        if part == "button":
            text = {"type": "text", "text": value}
            buttons.append({"type": "button", "sub_type": "url", "index": rest, "parameters": [text]})
        elif rest in ("image", "video", "document"):
            parameters[part].append({"type": rest, rest: {"link": value}})
        else:
            named = {} if rest.isdigit() else {"parameter_name": rest}
            parameters[part].append({"type": "text", "text": value} | named)
    whole = [{"type": part, "parameters": given} for part, given in parameters.items() if given]
    return [*whole, *buttons]


def _order(item: tuple[str, str]) -> tuple[int, str]:
    rest = (_place(item[0]) or ("", ""))[1]
    return (int(rest), "") if rest.isdigit() else (0, rest)
