"""Bots answer: linked to a number, switched on, once per message."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymongo import MongoClient

from libs.runtime.ids import new_id
from tests.support.receiver import receiving
from tests.support.running import Number, Stack, until
from tests.support.shared_stack import Tenant, greet, newest, refused

EFFECTIVE_WITHIN = 2  # seconds: a bot that is linked or unlinked, switched on or off
HELLO = {"match": {"type": "keyword", "value": "hello"}, "answer": {"type": "text", "text": "Hi there, {{name}}"}}
SIZE = {
    "match": {"type": "pattern", "value": "size ([0-9]+)"},
    "answers": [{"type": "text", "text": "You said {{1}}."}, {
        "type": "interactive", "interactive": {"type": "button", "body": {"text": "Is {{1}} right?"}, "action": {
            "buttons": [{"type": "reply", "reply": {"id": "yes", "title": "Yes"}}]}}}],
}  # fmt: skip
YES = {"match": {"type": "payload", "value": "yes"}, "answer": {"type": "text", "text": "Noted."}}
COMES = {"type": "text", "text": "Somebody comes."}
HELP = {"match": {"type": "exact", "value": "help!"}, "handover": True, "answer": COMES}
ORDER = {"match": {"type": "exact", "value": "order"}, "dialogue": "order"}
RULES = [HELLO, SIZE, YES, HELP, ORDER]
DIALOGUE = {"name": "order", "timeout": 60, "steps": [
    {"name": "what", "ask": {"type": "text", "text": "What?"}, "save": "what"},
    {"name": "many", "ask": {"type": "text", "text": "How many {{what}}?"}, "save": "many",
     "expect": {"type": "pattern", "value": "^[0-9]+$"}, "otherwise": {"type": "text", "text": "A number, please."}},
], "done": [{"type": "text", "text": "{{many}} {{what}}, thank you."}]}  # fmt: skip


def make(stack: Stack, **more: Any) -> str:
    answer = stack.call(
        "POST", "/bots", {"name": "greeter", "kind": "rules", "rules": RULES, "dialogues": [DIALOGUE]} | more
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def hi(who: str) -> str:
    """The greeting, with the name that the sandbox's people have."""
    return f"Hi there, User {who[-4:]}"


def set_up(number: Number, bot_id: str | None, enabled: bool) -> dict[str, Any]:
    linked = number.stack.call("POST", f"/phone_numbers/{number.id}/link-bot", {"bot_id": bot_id})
    assert linked.status_code == 200, linked.text
    switched = number.stack.call("POST", f"/phone_numbers/{number.id}/autoreply", {"enabled": enabled})
    assert switched.status_code == 200, switched.text
    found: dict[str, Any] = switched.json()
    return found


@pytest.fixture(scope="module")
def shop(stack: Stack) -> Iterator[Number]:
    """A number whose bot is switched on."""
    number = stack.connect(throughput=1000, messaging_limit="UNLIMITED")
    bot_id = make(stack, opt_out_answer="You will get no more offers.")
    assert {"bot_id": bot_id, "autoreply": True}.items() <= set_up(number, bot_id, True).items()
    yield number
    set_up(number, None, False)


def said_to(number: Number, who: str) -> list[str]:
    """What a person was sent, in the order of arrival."""
    found = []
    for row in number.stack.sends():
        if row["phone_number_id"] == number.id and row["to"].removeprefix("+") == who:
            body = row["body"]
            found.append(body["text"]["body"] if row["type"] == "text" else body["interactive"]["body"]["text"])
    return found


def hears_in_answer(number: Number, who: str, text: str, *answers: str) -> None:
    """A person writes, and is sent exactly these."""
    before = said_to(number, who)
    number.hears(who, text)
    until(lambda: len(said_to(number, who)) >= len(before) + len(answers), f"{text!r} is answered", 10)
    assert said_to(number, who) == [*before, *answers]


def talk_of(stack: Stack, conversation_id: str) -> dict[str, Any]:
    """What autoreply remembers of a conversation."""
    client: MongoClient[dict[str, Any]]
    with MongoClient(stack.info["mongo"]) as client:
        return client[stack.info["mongo_database"]]["bot_talks"].find_one({"_id": conversation_id}) or {}


def decided(stack: Stack, number: Number, who: str, count: int) -> list[dict[str, Any]]:
    """Wait until so many messages of a person were decided on, and return the decisions, the latest first."""
    bot_id = stack.call("GET", f"/phone_numbers/{number.id}").json()["bot_id"]
    wrote = {row["id"] for row in stack.call("GET", f"/messages?recipient={who}&limit=100").json()["data"]}

    def look() -> list[dict[str, Any]] | None:
        rows = stack.call("GET", f"/bots/{bot_id}/decisions?limit=100").json()["data"]
        wrote.update(row["id"] for row in stack.call("GET", f"/messages?recipient={who}&limit=100").json()["data"])
        mine = [row for row in rows if row["message_id"] in wrote]
        return sorted(mine, key=lambda row: str(row["at"]), reverse=True) if len(mine) >= count else None

    found: list[dict[str, Any]] = until(look, "it is decided", 10)
    return found


def test_a_rule_answers_with_what_the_person_said_in_order(shop: Number, person: Callable[[], str]) -> None:
    who = person()
    hears_in_answer(shop, who, "Oh, HELLO!", hi(who))
    hears_in_answer(shop, who, "my size 42 please", "You said 42.", "Is 42 right?")
    button = {
        "type": "interactive",
        "interactive": {"type": "button_reply", "button_reply": {"id": "yes", "title": "Yes"}},
    }
    shop.stack.box("POST", "/inbound", {"phone_number_id": shop.id, "from": who} | button)
    until(lambda: said_to(shop, who)[-1] == "Noted.", "the button is answered", 10)
    shop.hears(who, "nothing that a rule is for")
    [last, *_] = decided(shop.stack, shop, who, 4)
    assert (last["outcome"], last["rule"], last["answer_ids"]) == ("no_rule", None, [])
    assert len(said_to(shop, who)) == 4


def test_a_dialogue_asks_one_thing_after_the_other_and_asks_again_where_it_has_to(
    shop: Number, person: Callable[[], str]
) -> None:
    who = person()
    hears_in_answer(shop, who, "Order", "What?")
    hears_in_answer(shop, who, "hello", "How many hello?")
    hears_in_answer(shop, who, "some", "A number, please.")
    hears_in_answer(shop, who, "3", "3 hello, thank you.")
    hears_in_answer(shop, who, "hello", hi(who))


def test_webhooks_that_come_twice_are_answered_once(shop: Number, person: Callable[[], str]) -> None:
    people = [person() for _ in range(20)]
    fault = shop.stack.box("POST", "/faults", {"kind": "webhooks_doubled", "share": 1.0})
    try:
        for who in people:
            shop.hears(who, "hello")
        until(lambda: all(said_to(shop, who) for who in people), "all are answered", 20, 0.3)
    finally:
        shop.stack.box("DELETE", f"/faults/{fault['id']}")
    for who in people:
        shop.stack.box("POST", "/inbound", {"phone_number_id": shop.id, "from": who, "type": "reaction",
                                            "reaction": {"message_id": "wamid.x", "emoji": "👍"}})  # fmt: skip
        assert said_to(shop, who) == [hi(who)]


def test_after_a_hand_over_the_bot_is_silent_until_it_gets_the_conversation_back(
    shop: Number, person: Callable[[], str]
) -> None:
    who, stack = person(), shop.stack
    with receiving() as heard:
        body = {"url": heard.url("/handed"), "events": ["conversation.handed_over"], "phone_number_ids": [shop.id]}
        endpoint = stack.call("POST", "/webhook_endpoints", body).json()["id"]
        hears_in_answer(shop, who, "help", "Somebody comes.")
        [told] = heard.waits("/handed", 1)
        stack.call("DELETE", f"/webhook_endpoints/{endpoint}")
    assert (told.event["data"]["to"], told.event["data"]["by"]) == ("agent", "rule")
    shop.hears(who, "hello")
    [last, *_] = decided(stack, shop, who, 2)
    assert last["outcome"] == "handed_over"
    conversation = stack.call("GET", f"/messages?recipient={who}").json()["data"][0]["conversation_id"]
    back = stack.call("DELETE", f"/conversations/{conversation}/handover")
    assert (back.status_code, back.json()["handed_over_at"]) == (200, None)
    hears_in_answer(shop, who, "hello", hi(who))
    assert stack.call("POST", f"/conversations/{conversation}/handover").status_code == 200
    assert stack.call("GET", f"/conversations/{conversation}").json()["handed_over_at"] is not None
    shop.hears(who, "hello")
    assert decided(stack, shop, who, 4)[0]["outcome"] == "handed_over"
    refused(stack.call("POST", f"/conversations/{new_id()}/handover"), 404, "conversation_not_found")


def test_a_person_who_answers_through_the_api_silences_the_bot_in_their_conversation_alone(
    shop: Number, person: Callable[[], str]
) -> None:
    stack, who, other = shop.stack, person(), person()
    hears_in_answer(shop, who, "hello", hi(who))
    shop.reaches(shop.send(who, "I am a person").json()["id"], "delivered")
    conversation = stack.call("GET", f"/messages?recipient={who}").json()["data"][0]["conversation_id"]
    until(lambda: "silent_until" in talk_of(stack, conversation), "the bot knows", 10)
    shop.hears(who, "hello")
    [latest, *_] = decided(stack, shop, who, 2)
    assert latest["outcome"] == "agent_active"
    shown = stack.call("GET", f"/messages/{latest['message_id']}").json()["bot_decision"]
    assert (shown["outcome"], shown["answer_ids"]) == ("agent_active", [])
    hears_in_answer(shop, other, "hello", hi(other))
    assert "silent_until" not in talk_of(stack, stack.message(newest(stack, recipient=other) or "")["conversation_id"])


def test_what_is_said_in_a_group_is_answered_by_nobody(shop: Number, person: Callable[[], str]) -> None:
    who = person()
    shop.stack.box("POST", "/inbound", {"phone_number_id": shop.id, "from": who, "type": "text", "group_id": "1203630",
                                        "text": {"body": "STOP hello"}})  # fmt: skip
    [decision] = decided(shop.stack, shop, who, 1)
    assert decision["outcome"] == "not_answerable"
    message = shop.stack.call("GET", f"/messages/{decision['message_id']}").json()
    assert message["group_id"] == "1203630"
    refused(shop.send(who, "privately"), 422, "outside_customer_window")
    assert said_to(shop, who) == []


def test_who_opts_out_is_told_so_once(shop: Number, person: Callable[[], str]) -> None:
    hears_in_answer(shop, person(), "STOP", "You will get no more offers.")


def test_a_bot_is_talked_to_in_the_terminal(shop: Number, person: Callable[[], str]) -> None:
    who = person()
    printed = shop.stack.cli("bots", "try", "hello", "my size 42", "what?", "--as", f"+{who}", "--to", shop.id)
    for line in (hi(who), "[answered, rules.0]", "You said 42.", "Is 42 right? (Yes)", "[no_rule]"):
        assert line in printed, printed


def is_answered(number: Number, who: str) -> bool:
    """Tell whether somebody who says hello is answered, in the time that a change of the number's bot may take."""
    number.hears(who, "hello")
    end = time.monotonic() + EFFECTIVE_WITHIN
    while not (found := said_to(number, who)) and time.monotonic() < end:
        time.sleep(0.05)
    return found == [hi(who)]


def test_a_number_without_a_bot_or_switched_off_is_silent(stack: Stack, person: Callable[[], str]) -> None:
    number, who = stack.connect(throughput=1000), person()
    assert set_up(number, None, True)["autoreply"] is True
    greet(number, who, "hello")
    bot_id = make(stack)
    set_up(number, bot_id, True)
    until(lambda: is_answered(number, person()), "it is switched on", 10)
    hears_in_answer(number, who, "hello", hi(who))
    refused(stack.call("DELETE", f"/bots/{bot_id}"), 409, "bot_linked", "bot_id")
    set_up(number, bot_id, False)
    until(lambda: not is_answered(number, person()), "it is switched off", 10)
    greet(number, who, "hello")
    number.reaches(number.send(who, "from a person").json()["id"], "delivered")
    assert said_to(number, who) == [hi(who), "from a person"]
    set_up(number, None, False)
    assert stack.call("DELETE", f"/bots/{bot_id}").status_code == 204
    refused(stack.call("GET", f"/bots/{bot_id}"), 404, "bot_not_found")


def test_a_changed_bot_answers_otherwise_within_two_seconds(stack: Stack, person: Callable[[], str]) -> None:
    number, who, other = stack.connect(throughput=1000), person(), person()
    bot_id = make(stack)
    set_up(number, bot_id, True)
    hears_in_answer(number, who, "hello", hi(who))
    bye = {"match": {"type": "keyword", "value": "hello"}, "answer": {"type": "text", "text": "Bye, {{name}}"}}
    assert stack.call("PATCH", f"/bots/{bot_id}", {"rules": [bye]}).status_code == 200
    until(lambda: not is_answered(number, person()), "the new rules are heard", EFFECTIVE_WITHIN)
    hears_in_answer(number, other, "hello", f"Bye, User {other[-4:]}")
    set_up(number, None, False)


@pytest.mark.parametrize(("rule", "param"), [
    ({"match": {"type": "keyword", "value": ""}, "answer": COMES}, "rules.0.match.keyword.value"),
    ({"match": {"type": "pattern", "value": "(a"}, "answer": COMES}, "rules.0.match.value"),
    ({"match": {"type": "pattern", "value": r"(a)\1"}, "answer": COMES}, "rules.0.match.value"),
    ({"match": {"type": "any"}, "answer": {"type": "text"}}, "rules.0.answer.text"),
    ({"match": {"type": "any"}, "dialogue": "nowhere"}, "rules.0.dialogue"),
    ({"match": {"type": "any"}, "answer": {"type": "poem", "text": "x"}}, "rules.0.answer.type"),
    ({"match": {"type": "any"}, "answer": {"type": "text", "text": "x", "to": "+15550001"}}, "rules.0.answer.to"),
])  # fmt: skip
def test_a_rule_that_cannot_work_is_refused_by_name(stack: Stack, rule: dict[str, Any], param: str) -> None:
    answer = stack.call("POST", "/bots", {"name": "a", "kind": "rules", "rules": [rule]})
    error = refused(answer, 422)
    assert error["param"] == param, error


def test_nobody_links_or_reads_anothers_bot(stack: Stack, stranger: Tenant) -> None:
    bot_id, number = make(stack), stack.connect()
    refused(stack.call("GET", f"/bots/{bot_id}", key=stranger.key), 404, "bot_not_found")
    for wrong in (new_id(), "greeter"):
        refused(
            stack.call("POST", f"/phone_numbers/{number.id}/link-bot", {"bot_id": wrong}),
            404,
            "bot_not_found",
            "bot_id",
        )
    changed = stack.call("PATCH", f"/bots/{bot_id}", {"name": "other"})
    assert (changed.status_code, changed.json()["name"], len(changed.json()["rules"])) == (200, "other", len(RULES))
    assert stack.call("DELETE", f"/bots/{bot_id}").status_code == 204
