"""Recipients as a stream: read row by row, wherever a chunk ends, and what is wrong is said with its line."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Iterable

import pytest

from libs.web.errors import ApiError, BadRequest, Invalid, WrongMediaType
from services.campaigns.tables import CSV, NDJSON, Row, media_type_of, rows_of


async def _chunks(parts: Iterable[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def read(raw: bytes | Iterable[bytes], media_type: str = CSV) -> list[Row]:
    async def run() -> list[Row]:
        parts = [raw] if isinstance(raw, bytes) else raw
        return [row async for row in rows_of(media_type, _chunks(parts))]

    return asyncio.run(run())


def test_columns_become_parameters_of_body_header_and_buttons() -> None:
    rows = read(b"to,name,header.image,button.0,2\n+491,Ann,https://a.example/i.png,sale,B\n")
    assert rows == [
        Row(2, {
            "to": "+491",
            "components": [
                {"type": "header", "parameters": [{"type": "image", "image": {"link": "https://a.example/i.png"}}]},
                {"type": "body", "parameters": [
                    {"type": "text", "text": "Ann", "parameter_name": "name"}, {"type": "text", "text": "B"},
                ]},
                {"type": "button", "sub_type": "url", "index": "0", "parameters": [{"type": "text", "text": "sale"}]},
            ],
        })
    ]  # fmt: skip


def test_positions_are_ordered_as_numbers() -> None:
    (row,) = read(b"to,10,9\n+491,ten,nine\n")
    assert [each["text"] for each in row.value["components"][0]["parameters"]] == ["nine", "ten"]


def test_a_file_reads_the_same_wherever_its_chunks_end() -> None:
    raw = '\ufeffto,name\r\n+491,"A ""quoted""\r\nname, über"\r\n\r\n+492,Zoë'.encode()
    whole = read(raw)
    assert [row.line for row in whole] == [2, 5]
    assert whole[0].value["components"][0]["parameters"][0]["text"] == 'A "quoted"\r\nname, über'
    for cut in range(len(raw)):
        assert read([raw[:cut], raw[cut:]]) == whole
    assert read([raw[place : place + 1] for place in range(len(raw))]) == whole


def test_rows_of_json_are_read_and_bad_ones_are_named_by_their_line() -> None:
    rows = read(b'{"to": "+491"}\n\n{"to": \n[1]\n{"to": "+492"}', NDJSON)
    assert [(row.line, row.problem is None) for row in rows] == [(1, True), (3, False), (4, True), (5, True)]


def test_an_apostrophe_that_kept_a_spreadsheet_from_reckoning_is_taken_off_the_number() -> None:
    (row,) = read(b"to\n'+49151234567\n")
    assert row.value == {"to": "+49151234567"}


def test_a_row_with_too_few_or_too_many_values_is_bad_and_the_others_are_read() -> None:
    rows = read(b"to,name\n+491,A,B\n+492\n+493,C\n")
    assert [row.problem for row in rows] == [
        "Has 3 values, the header has 2 columns.", "Has 1 values, the header has 2 columns.", None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "kind", "code"),
    [
        (b"", Invalid, "missing_header"),
        (b"name\nAnn\n", Invalid, "missing_header"),
        (b"to,name,name\n", Invalid, "duplicate_column"),
        (b"to,to\n", Invalid, "duplicate_column"),
        (b"to,button.x\n", Invalid, "unknown_column"),
        (b"to,footer.1\n", Invalid, "unknown_column"),
        (b'to,name\n+491,"Ann\n+492,Bob\n', Invalid, "unclosed_quote"),
        ("to\n+491\n".encode("utf-16"), BadRequest, None),
        ("to\n+491\n".encode("utf-16-le"), BadRequest, None),
        (b"to\n+491\xff\n", BadRequest, None),
        (b"to\n+49\x001\n", BadRequest, None),
        (b"to\n+491\xc3", BadRequest, None),
        (b"to," + b",".join(b"%d" % place for place in range(1, 120)) + b"\n", Invalid, None),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_a_clear_word(
    raw: bytes, kind: type[ApiError], code: str | None
) -> None:
    with pytest.raises(kind) as refused:
        read(raw)
    assert code is None or refused.value.public_code == code
    assert refused.value.message.endswith(".")


@pytest.mark.parametrize("media_type", [CSV, NDJSON])
@pytest.mark.parametrize("first", [b"", b'to\n"'])
def test_a_line_of_100_mb_is_refused_long_before_its_end_and_never_held(media_type: str, first: bytes) -> None:
    read_bytes = 0

    def parts() -> Iterable[bytes]:
        nonlocal read_bytes
        yield first
        for _ in range(1600):
            read_bytes += 65_536
            yield b"x" * 65_536

    tracemalloc.start()
    with pytest.raises(Invalid) as refused:
        read(parts(), media_type)
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()
    assert refused.value.public_code == "line_too_long"
    assert read_bytes < 1_000_000


def test_only_two_kinds_are_taken() -> None:
    assert media_type_of("text/csv; charset=utf-8") == CSV
    assert media_type_of("Application/X-NDJSON") == NDJSON
    with pytest.raises(WrongMediaType):
        media_type_of("application/xml")


@pytest.mark.parametrize("name", ["²", "body.²", "1" * 5_000, "button." + "1" * 5_000, "a b", "body.", "header.é"])
def test_a_column_that_names_no_value_is_refused(name: str) -> None:
    with pytest.raises(Invalid) as refusal:
        read(f"to,{name}\n+491,a\n".encode())
    assert refusal.value.public_code == "unknown_column"


def test_one_value_under_two_names_is_a_column_given_twice() -> None:
    with pytest.raises(Invalid) as refusal:
        read(b"to,1,body.1\n+491,a,b\n")
    assert refusal.value.public_code == "duplicate_column"


def test_a_header_parted_by_semicolons_is_told_what_parts_columns() -> None:
    with pytest.raises(Invalid, match="commas"):
        read(b"to;1\n+491;a\n")


@pytest.mark.parametrize("line", ['{"to": ' + "[" * 400 + "]" * 400 + "}", '{"to": ' + "[" * 5_000])
def test_a_json_line_nested_too_deeply_is_a_bad_row(line: str) -> None:
    rows = read(f'{line}\n{{"to": "+491"}}\n'.encode(), NDJSON)
    assert [row.problem is None for row in rows] == [False, True]


def test_a_quoted_value_of_many_lines_is_looked_at_once() -> None:
    raw = b'to\n"' + b"\n" * 60_000 + b'+491"\n'
    assert [row.line for row in read(raw)] == [2]
