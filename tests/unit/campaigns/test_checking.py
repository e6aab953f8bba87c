"""What is kept of a row: values that MongoDB or JSON cannot hold are named, whoever the row is for."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from libs.directory.entries import TemplateEntry
from services.campaigns.checking import Checking, unstorable
from services.campaigns.money import printed

CAMPAIGN = {
    "_id": "c", "tenant": "t", "template": {"name": "sale", "language": "en", "category": "MARKETING"}, "hold_out": 90,
}  # fmt: skip


def checking() -> Checking:
    stored = [{"type": "BODY", "text": "Hi {{1}}"}]
    template = TemplateEntry(
        tenant="t", waba_id="1", name="sale", language="en", status="APPROVED", category="MARKETING",
        parameter_format="POSITIONAL", components=stored,
    )  # fmt: skip
    return Checking(CAMPAIGN, {"all": template}, datetime(2026, 1, 1, tzinfo=UTC))


def body_of(**more: Any) -> list[dict[str, Any]]:
    return [{"type": "body", "parameters": [{"type": "text", "text": "a"} | more]}]


@pytest.mark.parametrize(
    "value",
    [10**30, float("nan"), float("inf"), "\ud800", {"a\x00": 1}, {"\ud800": 1}, json.loads("[" * 30 + "]" * 30)],
)
def test_what_cannot_be_kept_is_named(value: Any) -> None:
    assert unstorable([{"a": value}]) is not None


def test_what_json_and_mongodb_hold_alike_is_kept() -> None:
    assert unstorable([{"a": [1, -1.5, "über", None, True, 2**63 - 1], "b": {}}]) is None


@pytest.mark.parametrize("place", range(20))
def test_a_row_is_right_or_wrong_whether_its_person_is_held_out_or_not(place: int) -> None:
    to = f"+49151123456{place:02d}"
    assert checking().row({"to": to, "components": body_of()}, "")[0] is not None
    for wrong in (body_of(parameter_name="b"), body_of(colour=1), [{"a": 1}], body_of(text=10**30)):
        row, found = checking().row({"to": to, "components": wrong}, "")
        assert row is None
        assert found


def test_the_name_of_an_unknown_field_can_be_told_whatever_it_is() -> None:
    _, (problem,) = checking().row({"to": "+491", "\ud800": 1}, "")
    problem.path.encode()


@pytest.mark.parametrize(("spent", "text"), [(0, "0"), (10_000_000, "10"), (200_000_000, "200"), (55_000, "0.055")])
def test_a_sum_is_printed_as_people_write_it(spent: int, text: str) -> None:
    assert printed(spent) == text
