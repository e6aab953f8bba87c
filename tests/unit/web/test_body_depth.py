"""How deeply a body is nested is known before anything of it is built, and megabytes of it hold nobody up."""

from typing import Any

import pytest
from pydantic import RootModel

from libs.web.bodies import DEPTH, check_depth, parse
from libs.web.errors import BadRequest


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * DEPTH + b"]" * DEPTH,
        b'{"a":[' * (DEPTH // 2) + b"]}" * (DEPTH // 2),
        b'{"a": "' + b"[" * 100 + b'"}',
        b'{"a": "\\"' + b"[" * 100 + b'"}',
        b'{"a": "\\\\"}',
        b"[" + b"[]," * 1_000 + b"[]]",
        b"]" * 1_000,
        b'"' + b"[" * 1_000,
    ],
)
def test_what_is_not_nested_too_deeply_passes(raw: bytes) -> None:
    check_depth(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * (DEPTH + 1) + b"]" * (DEPTH + 1),
        b'{"a":[' * DEPTH + b"]}" * DEPTH,
        b"[" * (DEPTH + 1),
        b"[[]," + b"[" * DEPTH + b"]" * DEPTH + b"]",
        b'{"a": "\\\\", "b": ' + b"[" * DEPTH + b"]" * DEPTH + b"}",
    ],
)
def test_what_is_nested_too_deeply_is_refused(raw: bytes) -> None:
    with pytest.raises(BadRequest) as refusal:
        check_depth(raw)
    assert refusal.value.public_code == "too_deep"


@pytest.mark.parametrize("raw", [b"[" + b"[]," * 5_000_000 + b"[]]", b"[" + b"1," * 5_000_000 + b"1]"])
def test_a_body_of_millions_of_values_is_refused_before_it_is_read(raw: bytes) -> None:
    with pytest.raises(BadRequest) as refusal:
        parse(RootModel[Any], raw)
    assert refusal.value.public_code == "too_many_values"


@pytest.mark.parametrize("raw", [b"[" + b"[]," * 600_000 + b"[]]", b'"' + b'\\"' * 2_000_000, b'"' + b"\\" * 4_000_001])
def test_megabytes_are_gone_through_once(raw: bytes) -> None:
    check_depth(raw)  # what goes back to where it began at each quote or bracket would not come to an end
