"""Every message of a person is answered once and in order, whatever dies and however often it is delivered."""

import json
import random
import time
from collections import Counter, defaultdict
from typing import Any

import httpx
import pytest

from services.sandbox.identifiers import scoped_user_id
from tests.faults.scenarios import kill_and_restart
from tests.support.model import a_model
from tests.support.running import Number, Stack, until

pytestmark = pytest.mark.long

PEOPLE, EACH, COPIES = [f"1556800{i:04d}" for i in range(200)], 5, 3
KILLED = ("autoreply", "sender", "autoreply", "tracker", "autoreply", "edge")
ECHO = {"match": {"type": "any"}, "answers": [{"type": "text", "text": "{{text}}"}]}


def webhook(number: Number, who: str, place: int, at: int) -> bytes:
    """Meta's webhook of the person's message of this place, the same each time."""
    user_id = scoped_user_id(number.made["portfolio_id"], who)
    message = {"from": who, "from_user_id": user_id, "id": f"wamid.{who}.{place}", "timestamp": str(at), "type": "text"}
    metadata = {"display_phone_number": "15550783881", "phone_number_id": number.id}
    contacts = [{"profile": {"name": "Ann"}, "wa_id": who, "user_id": user_id}]
    value = {"messaging_product": "whatsapp", "metadata": metadata, "contacts": contacts}
    value |= {"messages": [message | {"text": {"body": str(place)}}]}
    changes = [{"field": "messages", "value": value}]
    said = {"object": "whatsapp_business_account", "entry": [{"id": number.waba_id, "changes": changes}]}
    return json.dumps(said).encode()


def deliver(stack: Stack, raw: bytes) -> None:
    """Post it until it is taken, as Meta does."""

    def taken() -> bool:
        try:
            return stack.webhook(raw).status_code == 200
        except httpx.TransportError:
            return False

    until(taken, "edge takes the webhook", 60, 0.05)


def answers(number: Number) -> dict[str, list[str]]:
    found = defaultdict(list)
    for row in number.stack.sends():
        if row["phone_number_id"] == number.id:
            found[row["to"].removeprefix("+")].append(row["body"]["text"]["body"])
    return found


def test_a_thousand_messages_delivered_three_times_are_answered_once_each_and_in_order(stack: Stack) -> None:
    number, dice = stack.connect(throughput=1000, messaging_limit="UNLIMITED"), random.Random(7)
    bot = stack.call("POST", "/bots", {"name": "echo", "kind": "rules", "rules": [ECHO]}).json()
    stack.call("POST", f"/phone_numbers/{number.id}/link-bot", {"bot_id": bot["id"]})
    stack.call("POST", f"/phone_numbers/{number.id}/autoreply", {"enabled": True})
    began, kills = int(time.time()), list(KILLED)
    posts = [(place, who) for place in range(EACH) for who in PEOPLE]
    for done, (place, who) in enumerate(posts):
        raw = webhook(number, who, place, began + place)
        for _ in range(COPIES if dice.random() < 0.9 else 1):
            deliver(stack, raw)
        if kills and done % (len(posts) // len(KILLED)) == 50:
            kill_and_restart(stack, kills.pop(0))
    wanted = {who: [str(place) for place in range(EACH)] for who in PEOPLE}
    until(lambda: sum(map(len, answers(number).values())) >= len(posts), "all are answered", 120, 1)
    stack.call("POST", f"/phone_numbers/{number.id}/autoreply", {"enabled": False})
    assert answers(number) == wanted


def test_a_hundred_bursts_are_thought_about_and_answered_once_each_whatever_dies(stack: Stack) -> None:
    number, dice = stack.connect(throughput=1000, messaging_limit="UNLIMITED"), random.Random(8)
    people = [f"1556801{i:04d}" for i in range(100)]
    with a_model() as model:
        asked = {"url": model.url("echo"), "name": "tiny"}
        body = {"name": "echo", "kind": "model", "model": asked, "wait_for_more": 1, "timeout": 10}
        bot = stack.call("POST", "/bots", body).json()
        stack.call("POST", f"/phone_numbers/{number.id}/link-bot", {"bot_id": bot["id"]})
        stack.call("POST", f"/phone_numbers/{number.id}/autoreply", {"enabled": True})
        began, kills = int(time.time()), ["autoreply", "tracker", "autoreply", "edge"]
        for done, who in enumerate(people):
            for place in range(3):
                raw = webhook(number, who, place, began + place)
                for _ in range(COPIES if dice.random() < 0.5 else 1):
                    deliver(stack, raw)
            if kills and done % 25 == 12:
                kill_and_restart(stack, kills.pop(0))

        until(lambda: len(decided(stack, bot["id"])) == 3 * len(people), "all are decided on", 120, 1)
        stack.call("POST", f"/phone_numbers/{number.id}/autoreply", {"enabled": False})
    outcomes = Counter(row["outcome"] for row in decided(stack, bot["id"]))
    assert set(outcomes) <= {"answered", "joined"}, outcomes
    assert outcomes["answered"] >= len(people)
    until(lambda: sum(map(len, answers(number).values())) >= outcomes["answered"], "all are sent", 60, 1)
    wanted = Counter(row["conversation_id"] for row in decided(stack, bot["id"]) if row["outcome"] == "answered")
    assert sorted(map(len, answers(number).values())) == sorted(wanted.values())


def decided(stack: Stack, bot_id: str) -> list[dict[str, Any]]:
    """Return all decisions of a bot but those that wait."""
    rows: list[dict[str, Any]] = []
    more = True
    while more:
        after = f"&starting_after={rows[-1]['id']}" if rows else ""
        page = stack.call("GET", f"/bots/{bot_id}/decisions?limit=100{after}").json()
        rows, more = rows + page["data"], page["has_more"]
    return [row for row in rows if row["outcome"] != "waiting"]
