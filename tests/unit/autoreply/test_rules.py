"""What a message is meant by, and what the answer says."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from services.autoreply.rules import BadPattern, Heard, check_pattern, filled, heard_in, matched

MONDAY = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
HOURS = {"type": "outside_hours", "from": "09:00", "to": "17:30", "days": ["mon"], "time_zone": "UTC"}


def heard(text: str = "", **more: Any) -> Heard:
    fields: dict[str, Any] = {
        "type": "text", "text": text, "payload": None, "at": MONDAY, "first": False, "name": "Ann",
        "sender": "15550001",
    }  # fmt: skip
    return Heard(**fields | more)


@pytest.mark.parametrize(("match", "said", "meant"), [
    ({"type": "keyword", "value": "hello"}, heard("Well, HELLO there"), True),
    ({"type": "keyword", "value": "opt-in"}, heard("please opt in now"), True),
    ({"type": "keyword", "value": "hell"}, heard("hello"), False),
    ({"type": "keyword", "value": "cafe"}, heard("un café!"), True),
    ({"type": "keyword", "value": "order status"}, heard("my order, status please"), True),
    ({"type": "exact", "value": "help"}, heard(" Help! "), True),
    ({"type": "exact", "value": "help"}, heard("help me"), False),
    ({"type": "exact", "value": "?"}, heard(""), False),
    ({"type": "payload", "value": "yes"}, heard("Yes", payload="yes"), True),
    ({"type": "payload", "value": "yes"}, heard("yes"), False),
    ({"type": "first"}, heard(first=True), True),
    ({"type": "first"}, heard(), False),
    (HOURS, heard(), True),
    (HOURS, heard(at=MONDAY.replace(hour=9, minute=0)), False),
    (HOURS, heard(at=MONDAY.replace(hour=17, minute=30)), True),
    (HOURS | {"time_zone": "Europe/Berlin"}, heard(), False),
    (HOURS, heard(at=MONDAY.replace(day=24, hour=12)), True),
    ({"type": "any"}, heard(), True),
])  # fmt: skip
def test_a_message_is_meant_by_a_match_or_not(match: dict[str, Any], said: Heard, meant: bool) -> None:
    assert (matched(match, said) is not None) is meant


def test_the_groups_of_a_pattern_are_variables() -> None:
    found = matched({"type": "pattern", "value": r"order (?P<number>\d+)( now)?"}, heard("My ORDER 42"))
    assert found == {"1": "42", "2": "", "number": "42"}


def test_a_pattern_takes_milliseconds_whatever_is_written() -> None:
    began = time.perf_counter()
    assert matched({"type": "pattern", "value": "(a+)+$"}, heard("a" * 50_000 + "!")) is None
    assert time.perf_counter() - began < 0.2


def test_two_hundred_rules_look_at_the_longest_text_in_milliseconds() -> None:
    said = heard("long words, " * 340 + "the end")
    matches = [{"type": kind, "value": f"nothing {n}"} for n in range(100) for kind in ("keyword", "exact")]
    began = time.perf_counter()
    assert [match for match in matches if matched(match, said) is not None] == []
    assert time.perf_counter() - began < 0.1


def test_a_variable_is_cut_so_that_the_answer_fits_into_a_message() -> None:
    assert len(filled("{{text}}", {"text": "a" * 4_096})) == 1_000


@pytest.mark.parametrize("pattern", ["(", r"(a)\1", "(?=a)", "((a{100}){100}){100}"])
def test_a_pattern_that_is_not_linear_or_none_is_refused(pattern: str) -> None:
    with pytest.raises(BadPattern):
        check_pattern(pattern)


def test_variables_are_put_in_wherever_texts_stand_and_unknown_ones_are_left_out() -> None:
    answer = {"type": "text", "text": "Hi {{name}}{{ nobody }}, {{1}}", "list": [{"n": 1, "t": "{{name}}"}]}
    assert filled(answer, {"name": "Ann", "1": "{{name}}"}) == {
        "type": "text", "text": "Hi Ann, {{name}}", "list": [{"n": 1, "t": "Ann"}]
    }  # fmt: skip


@pytest.mark.parametrize(("kind", "content", "found"), [
    ("text", {"body": "hi"}, ("hi", None)),
    ("image", {"caption": "look", "id": "1"}, ("look", None)),
    ("interactive", {"button_reply": {"id": "yes", "title": "Yes"}}, ("Yes", "yes")),
    ("interactive", {"list_reply": {"id": "r1", "title": "Row"}}, ("Row", "r1")),
    ("interactive", {"nfm_reply": {}}, ("", None)),
    ("button", {"payload": "tapped", "text": "Tap"}, ("Tap", "tapped")),
    ("text", None, ("", None)),
    ("text", {"body": 7}, ("7", None)),
])  # fmt: skip
def test_words_and_taps_are_found_in_every_type(kind: str, content: Any, found: tuple[str, str | None]) -> None:
    assert heard_in(content, kind) == found
