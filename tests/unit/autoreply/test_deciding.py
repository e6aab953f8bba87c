"""Whether a bot answers."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.autoreply.deciding import LOOP_MOST, Circumstances, Outcome, decide
from services.autoreply.rules import Heard

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
BOT: dict[str, Any] = {
    "opt_out_answer": "You are out.",
    "rules": [
        {"name": "greeting", "match": {"type": "exact", "value": "hello"}, "answers": [{"text": "Hi {{name}}"}]},
        {"match": {"type": "keyword", "value": "hello"}, "answers": [{"text": "Yes?"}], "handover": True},
    ],
}


def said(text: str = "hello", kind: str = "text", at: datetime = NOW) -> Heard:
    return Heard(kind, text, None, at, False, "Ann", "15550001")


def case(**more: Any) -> Circumstances:
    return Circumstances(NOW, timedelta(minutes=10), **more)


def test_the_first_rule_that_matches_answers() -> None:
    first, second = decide(BOT, said(), case()), decide(BOT, said("oh hello"), case())
    assert (first.outcome, first.rule, first.answers, first.handover) == (
        Outcome.ANSWERED, "greeting", [{"text": "Hi Ann"}], False
    )  # fmt: skip
    assert (second.rule, second.handover) == ("rules.1", True)


@pytest.mark.parametrize(("heard", "circumstances", "outcome"), [
    (said(kind="reaction"), case(), Outcome.NOT_ANSWERABLE),
    (said(kind="system"), case(), Outcome.NOT_ANSWERABLE),
    (said(at=NOW - timedelta(minutes=11)), case(), Outcome.STALE),
    (said(), case(handed_over=True), Outcome.HANDED_OVER),
    (said(), case(opted_out_of_all=True), Outcome.OPTED_OUT),
    (said("bye"), case(), Outcome.NO_RULE),
    (said(), case(answered_at=[NOW - timedelta(seconds=30)] * LOOP_MOST), Outcome.LOOP),
])  # fmt: skip
def test_a_bot_is_silent_where_it_has_to_be(heard: Heard, circumstances: Circumstances, outcome: Outcome) -> None:
    found = decide(BOT, heard, circumstances)
    assert (found.outcome, list(found.answers)) == (outcome, [])


def test_answers_of_long_ago_are_no_loop() -> None:
    long_ago = [NOW - timedelta(minutes=11)] * LOOP_MOST * 3
    assert decide(BOT, said(), case(answered_at=long_ago)).outcome is Outcome.ANSWERED


def test_an_opt_out_is_confirmed_and_answered_by_no_rule() -> None:
    found = decide(BOT, said(), case(opts_out=True, opted_out_of_all=True))
    assert (found.outcome, found.answers) == (Outcome.OPT_OUT, [{"type": "text", "text": "You are out."}])
    assert decide(BOT | {"opt_out_answer": None}, said(), case(opts_out=True)).answers == []
