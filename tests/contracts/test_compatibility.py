"""What may change within a version and what may not: additions pass, everything that takes something back is named."""

from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, create_model

from libs.events.compatibility import breaks
from libs.events.contracts import broken_promises
from libs.events.schemas import schemas


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class MoreColours(StrEnum):
    RED = "red"
    BLUE = "blue"
    GREEN = "green"


class Inner(BaseModel):
    name: str
    size: int | None = None


class InnerWithout(BaseModel):
    name: str


def schema(**fields: Any) -> dict[str, Any]:
    """Return the JSON Schema of a model with these fields."""
    model: type[BaseModel] = create_model("Model", **fields)
    return model.model_json_schema()


BOUNDED = Annotated[str, Field(max_length=10)]
ADDITIONS = {
    "an optional field": ({}, {"new": (str | None, None)}),
    "a field with a default": ({}, {"new": (int, 1)}),
    "an enum value": ({"a": (Colour, ...)}, {"a": (MoreColours, ...)}),
    "a literal": ({"a": (Literal["x"], ...)}, {"a": (Literal["x", "y"], ...)}),
    "null allowed": ({"a": (int, 1)}, {"a": (int | None, 1)}),
    "integer to number": ({"a": (int, ...)}, {"a": (float, ...)}),
    "a limit lifted": ({"a": (BOUNDED, ...)}, {"a": (str, ...)}),
    "a field in an object in a list": ({"a": (list[InnerWithout], ...)}, {"a": (list[Inner], ...)}),
    "an enum opened to any text": ({"a": (Colour, ...)}, {"a": (str, ...)}),
}
BREAKS = {
    "removed": ({"a": (str, ...)}, {}, "the value.a: was removed or renamed"),
    "required": ({}, {"a": (str, ...)}, "the value.a: is now required, older records do not have it"),
    "made required": (
        {"a": (str, "x")}, {"a": (str, ...)}, "the value.a: is now required, older records do not have it",
    ),
    "made optional": ({"a": (str, ...)}, {"a": (str, "x")}, "the value.a: was always there, older readers rely on it"),
    "other type": ({"a": (str, ...)}, {"a": (int, ...)}, "the value.a: was string, is now integer"),
    "number to integer": ({"a": (float, ...)}, {"a": (int, ...)}, "the value.a: was integer or number, is now integer"),
    "null forbidden": ({"a": (int | None, 1)}, {"a": (int, 1)}, "the value.a: was null, is now integer"),
    "enum value removed": (
        {"a": (MoreColours, ...)}, {"a": (Colour, ...)}, "the value.a: the value green is no longer allowed",
    ),
    "text made an enum": (
        {"a": (str, ...)}, {"a": (Colour, ...)}, "the value.a: any value was allowed, now only red, blue",
    ),
    "a limit set": ({"a": (str, ...)}, {"a": (BOUNDED, ...)}, "the value.a: maxLength was free, is now 10"),
    "a field removed deep inside": (
        {"a": (list[Inner], ...)}, {"a": (list[InnerWithout], ...)}, "the value.a[].size: was removed or renamed",
    ),
    "values of a map narrowed": (
        {"a": (dict[str, Any], ...)}, {"a": (dict[str, int], ...)},
        "the value.a.*: was anything, is now integer",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new"), ADDITIONS.values(), ids=ADDITIONS)
def test_an_addition_keeps_every_promise(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert breaks(schema(**old), schema(**new)) == []


@pytest.mark.parametrize(("old", "new", "sentence"), BREAKS.values(), ids=BREAKS)
def test_what_takes_something_back_is_named(old: dict[str, Any], new: dict[str, Any], sentence: str) -> None:
    assert breaks(schema(**old), schema(**new)) == [sentence]


def test_forbidding_further_fields_is_a_break() -> None:
    closed: type[BaseModel] = create_model("Model", __config__=ConfigDict(extra="forbid"))
    assert breaks(schema(), closed.model_json_schema()) == ["the value: further properties are no longer allowed"]


def test_every_schema_keeps_its_own_promises() -> None:
    for name, one in schemas().items():
        assert breaks(one, one) == [], name


def test_a_removed_type_is_named_with_what_to_do() -> None:
    [sentence] = broken_promises({}, {"messages.status.v1/Old.json": {}})
    assert sentence.startswith("messages.status.v1/Old.json: the type was removed")
