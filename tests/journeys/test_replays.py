"""Raw webhooks that are read once more: what was lost is there again, and nobody outside hears of it unasked."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo import MongoClient

from tests.support.receiver import Customer, Receiver, new_customer, receiving
from tests.support.running import Stack, until

BOT = {"name": "echo", "kind": "rules", "rules": [
    {"match": {"type": "pattern", "value": "(.*)"}, "answer": {"type": "text", "text": "{{1}}!"}}]}  # fmt: skip


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture(scope="module")
def customer(stack: Stack, receiver: Receiver) -> Customer:
    """A tenant with a number of its own, whose bot answers."""
    made = new_customer(stack, receiver, "Replayed")
    bot = stack.call("POST", "/bots", BOT, key=made.tenant.key).json()
    stack.call("POST", f"/phone_numbers/{made.number.id}/link-bot", {"bot_id": bot["id"]}, key=made.tenant.key)
    stack.call("POST", f"/phone_numbers/{made.number.id}/autoreply", {"enabled": True}, key=made.tenant.key)
    return made


@pytest.fixture
def database(stack: Stack) -> Iterator[Any]:
    client: MongoClient[dict[str, Any]]
    with MongoClient(stack.info["mongo"], tz_aware=True) as client:
        yield client["wabus"]


def rows_of(customer: Customer, who: str) -> list[dict[str, Any]]:
    answer = customer.stack.call("GET", f"/messages?recipient={who}&limit=100", key=customer.tenant.key)
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


def states(customer: Customer, who: str) -> dict[str, str]:
    rows = rows_of(customer, who)
    return {row["id"]: "inbound" if row["direction"] == "inbound" else row["status"] for row in rows}


def talked(customer: Customer, who: str) -> dict[str, Any]:
    """Let a person write and be answered; -> what both wrote."""
    customer.number.hears(who, "hello")
    until(lambda: "delivered" in states(customer, who).values(), "the bot's answer arrives", 10)
    return states(customer, who)


def replayed(customer: Customer, since: str, *options: str) -> None:
    """Read webhooks once more, and wait until tracker has: what comes after them in the topic is through."""
    done = customer.stack.metric("tracker", "wabus_tracker_replayed_total")
    said = customer.stack.cli("replay", "webhooks", "--from", since, "--json", *options)
    count = int(said.split('"records": ')[1].split(",")[0])
    assert count > 0
    until(lambda: customer.stack.metric("tracker", "wabus_tracker_replayed_total") >= done + count, "they are read", 15)


def test_what_the_ledger_lost_is_there_again_and_nobody_is_answered_twice(
    customer: Customer, database: Any, person: Callable[[], str]
) -> None:
    since, who = datetime.now(UTC).isoformat(), person()
    before = talked(customer, who)
    [inbound] = [message_id for message_id, state in before.items() if state == "inbound"]
    [answer] = [message_id for message_id, state in before.items() if state != "inbound"]
    # As if a backup from before had been restored: the inbound message, what was decided on it, and the statuses.
    kept = database.messages.find_one({"_id": inbound})
    database.messages.delete_one({"_id": inbound})
    database.bot_decisions.delete_one({"_id": inbound})
    database.messages.update_one(
        {"_id": answer},
        {"$set": {"state": "accepted", "rank": 30}, "$unset": {"times.sent": "", "times.delivered": ""}},
    )
    replayed(customer, since)
    until(lambda: states(customer, who) == before, "all is as it was", 10)
    came = database.messages.find_one({"_id": inbound})["created_at"]
    assert abs(came - kept["created_at"]) < timedelta(seconds=1)  # as of when Meta posted it, not of the replay
    customer.number.hears(other := person(), "later")  # takes the same way, behind what was replayed
    until(lambda: "delivered" in states(customer, other).values(), "who writes now is answered", 10)
    to = [row["to"].removeprefix("+") for row in customer.stack.sends()]
    assert (to.count(who), to.count(other)) == (1, 1)


def test_a_customer_hears_of_what_is_replayed_only_if_the_operator_says_so(
    customer: Customer, receiver: Receiver, person: Callable[[], str]
) -> None:
    since, who = datetime.now(UTC).isoformat(), person()
    talked(customer, who)
    endpoint = customer.listens("/late", ["message.received"])
    replayed(customer, since)
    customer.number.hears(other := person(), "now")
    hit = receiver.waits("/late", 1, "message.received")[0]
    assert hit.event["data"]["from"] == other
    replayed(customer, since, "--tell", "notifier")
    until(lambda: len(receiver.of("/late")) == 2, "it is told what it missed", 10)
    assert receiver.of("/late")[1].event["data"]["from"] == who
    assert len(customer.deliveries(endpoint)) == 2


def test_what_meta_said_of_an_account_before_it_was_connected_again_does_not_stop_it_once_more(
    stack: Stack, customer: Customer
) -> None:
    since, box = datetime.now(UTC).isoformat(), stack.box("POST", "/accounts", {})
    number = box["phone_numbers"][0]["phone_number_id"]
    body = {"waba_id": box["waba_id"], "phone_number_id": number, "access_token": box["access_token"]}

    def state() -> Any:
        return stack.call("GET", f"/accounts/{box['waba_id']}").json()["status"]

    assert stack.call("POST", "/onboarding/manual", body).status_code == 201
    stack.box("POST", f"/accounts/{box['waba_id']}/events", {"event": "BAN"})
    until(lambda: state() == "stopped", "Meta banned it", 10)
    began = datetime.now(UTC).timestamp()
    until(lambda: datetime.now(UTC).timestamp() > began + 1, "Meta's clock has gone on by a second", 3)
    assert stack.call("POST", "/onboarding/manual", body).status_code == 200
    assert state() == "active"
    lag = stack.metric("edge", "wabus_consumer_lag_records")
    replayed(customer, since)
    until(lambda: stack.metric("edge", "wabus_consumer_lag_records") <= lag, "edge has heard of it", 10)
    stack.box("POST", f"/accounts/{box['waba_id']}/events", {"event": "FLAGGED"})

    def quality() -> Any:
        return stack.call("GET", f"/phone_numbers/{number}").json()["quality_rating"]

    until(lambda: quality() == "RED", "later news come", 10)
    assert state() == "active"
