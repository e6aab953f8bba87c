"""What models and customers' programs are asked, and what their answers mean."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from services.autoreply import chat, hook
from services.autoreply.thoughts import Line, Lines, NoThought, Usage, cost, line_of, money

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
MODEL = {"name": "m", "system_prompt": "", "max_tokens": 10, "temperature": None, "tools": ["hand_over", "opt_out"]}


def line(text: str, *, by_person: bool = True) -> Line:
    return Line(text[:10], by_person, "text", text, NOON, {"body": text})


def said(content: Any = "hi", *tools: str, **more: Any) -> bytes:
    message = {"content": content, "tool_calls": [{"function": {"name": name}} for name in tools]}
    return json.dumps({"choices": [{"message": message}]} | more).encode()


def error_of(raw: bytes) -> str:
    with pytest.raises(NoThought) as none:
        chat.answer_in(raw, MODEL["tools"])  # type: ignore[arg-type]
    return none.value.error


def test_the_newest_messages_are_asked_about_where_all_are_too_much() -> None:
    earlier = [line("x" * 4_000, by_person=bool(place % 2)) for place in range(30)]
    asked = chat.question(MODEL, Lines([line("now")], earlier))
    assert [it["role"] for it in asked["messages"]][-2:] == ["user", "user"]
    assert asked["messages"][-1] == {"role": "user", "content": "now"}
    assert sum(len(it["content"]) for it in asked["messages"]) <= chat.MOST_CONTEXT
    fresh = [line("y" * 4_000) for _ in range(20)]
    assert len(chat.question(MODEL, Lines(fresh, earlier))["messages"]) == len(fresh)


def test_what_is_not_set_is_not_asked() -> None:
    asked = chat.question(MODEL | {"tools": [], "system_prompt": "Be kind."}, Lines([line("hi")]))
    assert set(asked) == {"model", "messages", "max_tokens", "stream"}
    assert asked["messages"][0] == {"role": "system", "content": "Be kind."}
    assert chat.question(MODEL | {"temperature": 0}, Lines([line("hi")]))["temperature"] == 0


def test_no_more_tokens_can_be_taken_than_are_reserved() -> None:
    asked = chat.question(MODEL, Lines([line("ä" * 500)]))
    # A token is a byte at least, and what is around a message and its tools is written out too.
    told = sum(len(message["content"].encode()) for message in asked["messages"]) + len(json.dumps(asked["tools"]))
    assert told == 1_000 + len(json.dumps(asked["tools"]))
    assert chat.tokens_at_most(asked) > told + MODEL["max_tokens"]  # type: ignore[operator]


@pytest.mark.parametrize("raw", [
    b"", b"<html>", b"[]", b"{}", b'{"choices": []}', b'{"choices": [{}]}', b'{"choices": [{"message": "hi"}]}',
    b'{"choices": [{"message": {"content": 5}}]}', b'{"choices": [{"message": {"content": [5]}}]}', b"[" * 100_000,
    b'{"choices": [{"message": {"content": "a", "tool_calls": [5]}}]}', b"\xff\xfe",
])  # fmt: skip
def test_an_answer_that_is_none_is_unreadable(raw: bytes) -> None:
    assert error_of(raw) == "answer_unreadable"


def test_an_answer_may_be_parts_and_tools_that_were_not_given_are_not_used() -> None:
    thought = chat.answer_in(said([{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "b"}]), [])
    assert thought.answers == [{"type": "text", "text": "a"}]
    assert error_of(said("")) == error_of(said(None)) == "answer_empty"
    assert chat.answer_in(said(None, "hand_over"), ["hand_over"]).handover
    assert not chat.answer_in(said("a", "hand_over", "shell"), ["opt_out"]).handover
    assert error_of(said("a") + b" " * chat.LONGEST_ANSWER) == "answer_too_long"


@pytest.mark.parametrize("usage", [None, 5, {}, {"prompt_tokens": -1, "completion_tokens": 1},
                                   {"prompt_tokens": "1", "completion_tokens": 1}, {"prompt_tokens": 1}])  # fmt: skip
def test_a_count_of_tokens_that_is_none_is_not_believed(usage: Any) -> None:
    assert chat.answer_in(said("a", usage=usage), []).usage is None
    counted = chat.answer_in(said("a", usage={"prompt_tokens": 3, "completion_tokens": 4}), [])
    assert counted.usage == Usage(3, 4)


def test_a_long_text_is_cut_between_words_into_three_messages_at_most() -> None:
    parts = chat.parts("word " * 5_000)
    assert len(parts) == 3
    assert all(len(part) <= 4_096 and part.endswith("word") for part in parts)
    assert [len(part) for part in chat.parts("x" * 9_000)] == [4_096, 4_096, 808]
    assert chat.parts(" \n ") == []


def test_a_text_that_cannot_be_sent_is_made_one_that_can() -> None:
    raw = said("a\x00b\ud800c".encode("utf-8", "surrogatepass").decode("utf-8", "surrogatepass"))
    assert chat.answer_in(raw, []).answers == [{"type": "text", "text": "ab?c"}]


def test_money_is_counted_in_millionths() -> None:
    assert cost(Usage(1_000, 200), {"input": "2.5", "output": "10"}) == 4_500
    assert (money(4_500), money(0), money(12_000_000)) == ("0.0045", "0", "12")


@pytest.mark.parametrize(("raw", "detail"), [
    (b'{"messages": [{"text": ""}]}', "messages.0.text"), (b'{"messages": "hi"}', "messages"),
    (b'{"messages": [5]}', "messages.0"), (b'{"message": []}', "message"), (b'{"handover": "yes"}', "handover"),
    (b'{"messages": [{"text": "a", "to": "+15550001111"}]}', "messages.0.to"),
    (b'{"messages": [{"text": "a"}, {"type": "image"}]}', "messages.1.media_id"),
    (b'{"messages": [{"text": "1"}, {"text": "2"}, {"text": "3"}, {"text": "4"}, {"text": "5"}, {"text": "6"}]}',
     "messages"),
])  # fmt: skip
def test_a_programs_wrong_answer_is_named(raw: bytes, detail: str) -> None:
    with pytest.raises(NoThought) as none:
        hook.answer_in(200, raw)
    assert none.value.error == "answer_invalid"
    assert (none.value.detail or "").startswith(f"{detail}:")


def test_a_program_may_say_nothing_or_hand_over() -> None:
    assert not hook.answer_in(204, b"").answers
    assert not hook.answer_in(200, b"{}").answers
    assert hook.answer_in(200, b'{"handover": true}').handover
    with pytest.raises(NoThought, match="answer_unreadable"):
        hook.answer_in(200, b"[]")


def test_a_message_without_words_is_named_by_its_type() -> None:
    assert line_of("m", True, "image", {"id": "1"}, NOON).text == "[image]"
    assert line_of("m", True, "image", {"id": "1", "caption": "look"}, NOON).text == "look"
    assert line_of("m", False, "interactive", {"body": {"text": "Right?"}}, NOON).text == "Right?"
    assert line_of("m", False, "template", {"name": "sale"}, NOON).text == "[template]"
