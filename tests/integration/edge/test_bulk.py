"""Many messages in one call."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.message_kinds import NAMES, posted, stored_templates
from tests.support.running import Number, Stack
from tests.support.shared_stack import Tenant, greet, install, newest, refused


@pytest.fixture(scope="module")
def shop(stack: Stack, number: Number) -> Number:
    """A number whose account has the templates of every kind."""
    install(stack, number, *stored_templates())
    return number


def bulk(stack: Stack, items: list[Any], key: str | None = None, **more: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else None
    return stack.call("POST", "/messages/bulk", {"messages": items}, headers=headers, **more)


def text(number: Number, who: str, words: str = "hello", **more: Any) -> dict[str, Any]:
    return {"type": "text", "phone_number_id": number.id, "to": f"+{who}", "text": words, **more}


def test_every_kind_goes_in_one_call_and_each_has_its_own_answer(
    stack: Stack, shop: Number, person: Callable[[], str]
) -> None:
    friend, nobody = person(), person()
    greet(shop, friend)
    items = [posted(shop, name, friend) for name in NAMES]
    messages = [{"type": it["type"]} | it["body"] for it in items]
    wrong = [text(shop, nobody), text(shop, friend, colour="red"), {"type": "smoke"}, "hello", text(shop, friend, "")]
    answer = bulk(stack, [*messages, *wrong])
    assert answer.status_code == 202, answer.text
    rows = answer.json()["data"]
    for name, row in zip(NAMES, rows[: len(NAMES)], strict=True):
        assert row["status"] == 202, f"{name}: {row}"
        assert row["message"]["status"] == "queued"
    told = [(row["status"], row["error"]["code"], row["error"]["param"]) for row in rows[len(NAMES) :]]
    assert told == [
        (422, "outside_customer_window", "to"), (422, "unknown_field", "colour"), (422, "invalid_field", "type"),
        (422, "invalid_field", None), (422, "invalid_field", "text"),
    ]  # fmt: skip
    ids = [row["message"]["id"] for row in rows[: len(NAMES)]]
    shop.reaches(ids[-1], "delivered")
    assert {stack.message(message_id)["lane"] for message_id in ids} == {"bulk"}
    log = [each["biz_opaque_callback_data"] for each in stack.sends() if each["to"] == friend]
    assert log == ids, "messages of one conversation go in the order of the list"


def test_a_repeat_with_a_key_meets_each_message_again(stack: Stack, number: Number, person: Callable[[], str]) -> None:
    first, second, late = person(), person(), person()
    greet(number, first)
    greet(number, second)
    own = text(number, second, idempotency_key=f"own-{second}")
    items = [text(number, first), own, text(number, late)]
    before = bulk(stack, items, f"bulk-{first}").json()["data"]
    assert [row["status"] for row in before] == [202, 202, 422]
    greet(number, late)
    after = bulk(stack, items, f"bulk-{first}").json()["data"]
    assert [row["status"] for row in after] == [202, 202, 202], "what was refused is tried again"
    assert [row["message"] for row in after[:2]] == [row["message"] for row in before[:2]]
    assert [row.get("replayed") for row in after] == [True, True, None]
    other = bulk(stack, [text(number, second, "else", idempotency_key=f"own-{second}")]).json()["data"]
    assert (other[0]["status"], other[0]["error"]["code"]) == (422, "idempotency_key_reused")
    again = bulk(stack, [own, own]).json()["data"]
    assert {row["message"]["id"] for row in again} == {before[1]["message"]["id"]}


@pytest.mark.parametrize("key", ["", "x" * 256, "\x1f", 7, None])
def test_a_key_of_a_message_that_is_none_is_refused(stack: Stack, number: Number, key: Any) -> None:
    row = bulk(stack, [text(number, "15571234567", idempotency_key=key)]).json()["data"][0]
    assert (row["status"], row["error"]["param"]) == (422, "idempotency_key")


@pytest.mark.parametrize("items", [[], [{}] * 501, "hello", {"a": 1}, None])
def test_a_list_has_one_to_500_messages(stack: Stack, items: Any) -> None:
    refused(stack.call("POST", "/messages/bulk", {"messages": items}), 422, "invalid_field", "messages")
    refused(stack.call("POST", "/messages/bulk", {}), 422, "missing_field", "messages")


def test_500_messages_are_taken_and_more_than_a_megabyte_is_not(
    stack: Stack, number: Number, stranger: Tenant, person: Callable[[], str]
) -> None:
    who = person()
    greet(number, who)
    at = (datetime.now(UTC) + timedelta(hours=20)).isoformat()
    rows = bulk(stack, [text(number, who, f"line {place}", send_at=at) for place in range(500)]).json()["data"]
    assert [row["status"] for row in rows] == [202] * 500
    ids = [row["message"]["id"] for row in rows]
    assert ids == sorted(set(ids))
    before = newest(stack, direction="outbound")
    raw = json.dumps({"messages": [text(number, who, "x" * 4000)] * 300}).encode()
    refused(stack.call("POST", "/messages/bulk", raw=raw), 413, "body_too_large")
    rows = bulk(stack, [text(number, who)], key=None).json()["data"]
    assert rows[0]["status"] == 202
    assert newest(stack, direction="outbound") != before
    foreign = stack.call("POST", "/messages/bulk", {"messages": [text(number, who)]}, key=stranger.key).json()["data"]
    assert (foreign[0]["status"], foreign[0]["error"]["code"]) == (404, "number_not_found")
