"""Two notifiers, processes that die, receivers that refuse: every event arrives, a repeat with the first one's id."""

from collections.abc import Iterator

import pytest

from tests.faults.scenarios import QUICK
from tests.support.receiver import Customer, new_customer, receiving
from tests.support.running import Stack, running_stack, until

pytestmark = pytest.mark.long

PEOPLE = 80  # of whom each writes, and is answered: an inbound event and three statuses each
EVENTS = PEOPLE * 4
SETTINGS = QUICK | {
    "WABUS_NOTIFIER_TIMEOUT": "PT2S",
    "WABUS_NOTIFIER_RETRIES": ",".join(["PT0.2S", "PT0.5S", *["PT1S"] * 60]),
    "WABUS_NOTIFIER_LOOK_EVERY": "PT1S",
    "WABUS_NOTIFIER_CIRCUIT_FIRST": "PT0.2S",
    "WABUS_NOTIFIER_CIRCUIT_LONGEST": "PT0.5S",
    "WABUS_NOTIFIER_SESSION_TIMEOUT": "PT6S",
}
ANSWERED = ("message.accepted", "message.sent", "message.delivered")


def talks(customer: Customer, people: list[str]) -> None:
    """Have people write, and answer each."""
    for who in people:
        customer.number.hears(who)
    path = f"/messages?direction=inbound&phone_number_id={customer.number.id}&recipient="
    for who in people:
        until(lambda who=who: customer.stack.call("GET", path + who, key=customer.tenant.key).json()["data"], who)  # type: ignore[misc]
        customer.says(who)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """A stack with two notifiers, whose waits are short."""
    with running_stack("--scale", "notifier=2", **SETTINGS) as running:
        running.box("PUT", "/timing", {"sent": 0.01, "delivered": 0.01, "read_share": 0.0})
        yield running


def test_nothing_is_lost_while_notifiers_and_mongod_die(stack: Stack) -> None:
    with receiving() as receiver:
        customer = new_customer(stack, receiver, "Listeners")
        receiver.answers["/moody"] = [500, 200, 503, 429, 200] * 40 + [200]
        paths = ("/well", "/moody")
        for path in paths:
            customer.listens(path, ["message.received", *ANSWERED])
        people = [f"1556{i:07d}" for i in range(PEOPLE)]
        for place, name in enumerate(("notifier", "notifier-2", "mongod", "notifier")):
            talks(customer, people[place * 20 : (place + 1) * 20])
            stack.kill(name)
            stack.restart(name)
        for path in paths:
            what = f"all events came at {path}"
            until(lambda path=path: len({hit.id for hit in receiver.of(path)}) >= EVENTS, what, 120, 0.5)  # type: ignore[misc]
            hits = receiver.of(path)
            said = {(hit.event["type"], hit.event["data"]["id"]) for hit in hits}
            assert len(said) == len({hit.id for hit in hits}) == EVENTS, "an event has one id, however often it comes"
            assert len({(hit.id, hit.body) for hit in hits}) == EVENTS, "and one body"
        surplus = len(receiver.of("/well")) - EVENTS
        assert surplus <= 4 * 2 * 100, f"{surplus} repeats: more than was under way when they died"
