"""Dialogues: one question after the other."""

from datetime import UTC, datetime, timedelta
from typing import Any

from services.autoreply.dialogues import begun, goes_on
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


def test_it_goes_from_step_to_step_and_ends_with_what_was_said() -> None:
    turn = begun(BOT, "visit", said("visit"), {}, NOW)
    assert (turn.step, turn.answers) == ("day", [{"text": "Which day, Ann?"}])
    turn = goes_on(BOT, turn.state, said("Monday"), NOW)
    assert turn
    assert turn.answers == [{"text": "When on Monday?"}]
    again = goes_on(BOT, turn.state, said("late"), NOW)
    assert again
    assert (again.step, again.answers) == ("hour", [{"text": "When on Monday?"}])
    turn = goes_on(BOT, again.state, said("at 10"), NOW)
    assert turn
    assert turn.answers == [{"text": "Why?"}], "the next of the list, where nothing says otherwise"
    end = goes_on(BOT, turn.state, said("so"), NOW)
    assert end
    assert (end.answers, end.state, end.handover) == ([{"text": "Monday at 10."}], None, True)


def test_an_answer_or_a_tap_may_lead_elsewhere() -> None:
    state = begun(BOT, "visit", said("visit"), {}, NOW).state
    for answer in (said("Never!"), said("Not now", payload="never")):
        turn = goes_on(BOT, state, answer, NOW)
        assert turn
        assert turn.step == "sorry"


def test_a_dialogue_that_is_late_of_another_bot_or_gone_is_over() -> None:
    state = begun(BOT, "visit", said("visit"), {}, NOW).state
    assert state
    assert goes_on(BOT, None, said("x"), NOW) is None
    assert goes_on(BOT, state, said("x"), NOW + timedelta(seconds=60)) is None
    assert goes_on(BOT | {"_id": "c"}, state, said("x"), NOW) is None
    assert goes_on(BOT | {"dialogues": []}, state, said("x"), NOW) is None
    assert goes_on(BOT, state | {"step": "gone"}, said("x"), NOW) is None
