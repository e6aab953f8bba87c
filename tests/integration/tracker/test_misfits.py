import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support import meta_bodies as meta
from tests.support.arrivals import lands
from tests.support.running import Number, Stack, until
from tests.support.shared_stack import buried

OURS = "meta.webhooks.v1.tracker.dlt"
OF_OTHERS = ("accounts.commands.v1.edge.dlt", "templates.commands.v1.templates.dlt")

MISFITS: list[Any] = [
    7, None, "text", [], {}, {"id": 5}, {"id": "wamid.x"}, {"id": "wamid.x", "from": {}},
    {"id": "wamid.x", "from": "15551", "timestamp": "soon"}, {"id": "wamid.x", "from": "15551", "timestamp": 10**30},
    {"id": "wamid.x", "from": "15551", "timestamp": float("inf")}, {"id": "wamid.x", "timestamp": "1700000000"},
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def before(stack: Stack) -> dict[str, int]:
    """How many dead letters other services had before all that is odd came."""
    return {topic: buried(stack, topic) for topic in OF_OTHERS}


@pytest.mark.parametrize("part", MISFITS, ids=str)
@pytest.mark.parametrize("kind", ["messages", "statuses"])
def test_an_item_that_does_not_fit_is_kept_aside_and_its_siblings_go_on(
    stack: Stack, number: Number, person: Callable[[], str], kind: str, part: Any
) -> None:
    before = stack.metric("tracker", "wabus_tracker_misfits_total") + stack.metric(
        "tracker", "wabus_tracker_dropped_total"
    )
    first, last = person(), person()
    odd = meta.change(number.id, **{kind: [part]})
    raw = meta.body(
        number.waba_id, meta.change(number.id, [meta.inbound(first)]), odd, meta.change(number.id, [meta.inbound(last)])
    )
    assert stack.webhook(raw).status_code == 200
    lands(stack, number, first)
    lands(stack, number, last)
    after = stack.metric("tracker", "wabus_tracker_misfits_total") + stack.metric(
        "tracker", "wabus_tracker_dropped_total"
    )
    assert after >= before + 1


@pytest.mark.parametrize(
    "odd",
    [
        {"field": "messages"}, {"field": 5, "value": {}}, {"value": {}}, 5, None, {"field": "messages", "value": []},
        {"field": "messages", "value": {"metadata": 3}}, {"field": "messages", "value": {"messages": [{}]}},
        {"field": "no_such_field_yet", "value": {"a": 1}}, {"field": "account_update", "value": {"event": None}},
        {"field": "user_preferences", "value": {"user_preferences": [1, {}]}},
        {"field": "user_preferences", "value": {"user_preferences": 5, "metadata": 5}},
        {"field": "account_update", "value": {"ban_info": "x", "event": "DISABLED_UPDATE"}},
        {"field": "phone_number_quality_update", "value": {"display_phone_number": None, "event": 4}},
        {"field": "message_template_status_update", "value": {"event": 5}},
        {"field": "message_template_status_update", "value": {"message_template_id": {}, "event": "APPROVED"}},
        {"field": "business_capability_update", "value": {"max_daily_conversations_per_business": {}}},
        {"field": "account_update", "value": {"event": json.loads("[" * 400 + "]" * 400)}},
    ],
    ids=lambda odd: json.dumps(odd)[:60],
)  # fmt: skip
def test_a_change_that_does_not_fit_stops_nothing(
    stack: Stack, number: Number, person: Callable[[], str], odd: Any
) -> None:
    who = person()
    raw = meta.body(number.waba_id, odd, meta.change(number.id, [meta.inbound(who)]))
    assert stack.webhook(raw).status_code == 200
    lands(stack, number, who)
    next_one = person()
    assert stack.webhook(meta.body(number.waba_id, meta.change(number.id, [meta.inbound(next_one)]))).status_code == 200
    lands(stack, number, next_one)


@pytest.mark.parametrize(
    "more",
    [
        {"text": {"body": "a\ud800b"}}, {"text": {"body": "a\x00b"}}, {"text": None}, {"text": "plain"},
        {"type": None}, {"type": "x" * 5000}, {"type": "no.such$type", "no.such$type": {"$a.b": 1}},
        {"context": "nonsense"}, {"referral": ["x"]}, {"context": {"id": 5}}, {"type": "from"}, {"type": "timestamp"},
        {"text": {"body": "x", "deep": json.loads("[" * 400 + "]" * 400)}}, {"from_user_id": 7},
        {"timestamp": "1"}, {"timestamp": "4000000000"}, {"text": {"body": 10**400}},
    ],
    ids=lambda more: ascii(more)[:60],
)  # fmt: skip
def test_an_odd_message_is_stored_all_the_same(
    stack: Stack, number: Number, person: Callable[[], str], more: dict[str, Any]
) -> None:
    who = person()
    raw = meta.body(number.waba_id, meta.change(number.id, [meta.inbound(who) | more]))
    assert stack.webhook(raw).status_code == 200
    assert lands(stack, number, who)["from"] == who


@pytest.mark.parametrize("name", ["a\ud800b", "a\x00b", "x" * 20_000, 5, None, {"$ne": 1}], ids=lambda n: ascii(n)[:20])
def test_an_odd_profile_name_stops_no_message(
    stack: Stack, number: Number, person: Callable[[], str], name: Any
) -> None:
    who = person()
    made = meta.change(number.id, [meta.inbound(who)])
    made["value"]["contacts"][0]["profile"] = {"name": name, "username": name}
    assert stack.webhook(meta.body(number.waba_id, made)).status_code == 200
    assert lands(stack, number, who)["from"] == who


def test_bodies_that_cannot_be_read_go_to_the_dead_letters_and_stop_nothing(
    stack: Stack, number: Number, person: Callable[[], str]
) -> None:
    before, who = buried(stack, OURS), person()
    unreadable = [b"", b"not json", b"[]", b"{}", b'{"entry": 5}', b"\xff", b"[" * 100_000, b"null"]
    for raw in unreadable:
        assert stack.webhook(raw).status_code == 200
    assert stack.webhook(meta.body(number.waba_id, meta.change(number.id, [meta.inbound(who)]))).status_code == 200
    lands(stack, number, who)
    until(lambda: buried(stack, OURS) >= before + len(unreadable), "they lie with the dead letters", 10)


def test_nothing_that_was_odd_ended_with_the_dead_letters_of_another_service(
    stack: Stack, before: dict[str, int]
) -> None:
    assert {topic: buried(stack, topic) for topic in OF_OTHERS} == before
