"""Dialogues: one question after the other."""

from datetime import UTC, datetime, timedelta
from typing import Any

from services.autoreply.dialogues import Turn, begun, goes_on
from services.autoreply.rules import Heard

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
BOT: dict[str, Any] = {"_id": "b", "dialogues": [{"name": "visit", "timeout": 60, "handover": True, "steps": [
    {"name": "day", "ask": {"text": "Which day, {{name}}?"}, "save": "day", "go_to": {"never": "sorry"}},
    {"name": "hour", "ask": {"text": "When on {{day}}?"}, "save": "hour",
     "expect": {"type": "pattern", "value": "([0-9]+)"}},
    {"name": "sorry", "ask": {"text": "Why?"}},
], "done": [{"text": "{{day}} at {{1}}."}]}]}  # fmt: skip


def said(text: str, payload: str | None = None) -> Heard:
    return Heard("text", text, payload, NOW, False, "Ann", "15550001")


def goes(state: dict[str, Any] | None, heard: Heard) -> Turn:
    turn = goes_on(BOT, state, heard, NOW)
    assert turn is not None
    return turn


def test_it_goes_from_step_to_step_and_ends_with_what_was_said() -> None:
    first = begun(BOT, "visit", said("visit"), {}, NOW)
    assert (first.step, first.answers) == ("day", [{"text": "Which day, Ann?"}])
    second = goes(first.state, said("Monday"))
    assert second.answers == [{"text": "When on Monday?"}]
    again = goes(second.state, said("late"))
    assert (again.step, again.answers) == ("hour", [{"text": "When on Monday?"}])
    third = goes(again.state, said("at 10"))
    assert third.answers == [{"text": "Why?"}], "the next of the list, where nothing says otherwise"
    end = goes(third.state, said("so"))
    assert (end.answers, end.state, end.handover) == ([{"text": "Monday at 10."}], None, True)


def test_an_answer_or_a_tap_may_lead_elsewhere() -> None:
    state = begun(BOT, "visit", said("visit"), {}, NOW).state
    for answer in (said("Never!"), said("Not now", payload="never")):
        assert goes(state, answer).step == "sorry"


def test_a_dialogue_that_is_late_of_another_bot_or_gone_is_over() -> None:
    state = begun(BOT, "visit", said("visit"), {}, NOW).state
    assert state
    assert goes_on(BOT, None, said("x"), NOW) is None
    assert goes_on(BOT, state, said("x"), NOW + timedelta(seconds=60)) is None
    assert goes_on(BOT | {"_id": "c"}, state, said("x"), NOW) is None
    assert goes_on(BOT | {"dialogues": []}, state, said("x"), NOW) is None
    assert goes_on(BOT, state | {"step": "gone"}, said("x"), NOW) is None
