"""Receivers that are slow, dead or gone, and a notifier that dies."""

from collections.abc import Callable

from tests.support.receiver import Customer, Receiver, new_customer
from tests.support.running import Stack, until


def test_an_endpoint_that_does_not_answer_delays_no_other(
    customer: Customer, receiver: Receiver, person: Callable[[], str]
) -> None:
    customer.listens("/quick", ["message.received"])
    customer.listens("/stuck", ["message.received"])
    stuck = receiver.hold("/stuck")
    for _ in range(12):
        customer.number.hears(person())
    quick = receiver.waits("/quick", 12)
    waiting = receiver.waits("/stuck", 1)
    # All of them came before one attempt at the stuck one can have ended (2 s in this stack).
    assert max(hit.at for hit in quick) < waiting[0].at + 2
    assert len(receiver.of("/stuck")) <= 4
    stuck.set()
    receiver.waits("/stuck", 12)


def test_deliveries_of_a_failing_endpoint_are_put_off_together_and_none_is_lost(
    customer: Customer, receiver: Receiver, person: Callable[[], str]
) -> None:
    receiver.answers["/failing"] = [500]
    endpoint = customer.listens("/failing", ["message.received"])
    for _ in range(25):
        customer.number.hears(person())
    until(lambda: len(customer.deliveries(endpoint)) == 25, "all are stored")
    assert len(receiver.of("/failing")) < 25
    receiver.answers["/failing"] = [200]
    until(lambda: len(customer.deliveries(endpoint, status="delivered")) == 25, "all are delivered")
    assert len({hit.id for hit in receiver.of("/failing")}) == 25


def test_an_endpoint_that_is_gone_is_disabled_at_once_and_the_others_are_told(
    customer: Customer, receiver: Receiver, person: Callable[[], str]
) -> None:
    receiver.answers["/gone"] = [410]
    gone = customer.listens("/gone", ["message.received"])
    customer.listens("/watching", ["webhook_endpoint.disabled"])
    customer.listens("/elsewhere", ["message.received"])
    customer.number.hears(person())
    [hit] = receiver.waits("/watching", 1)
    assert (hit.event["type"], hit.event["data"]["id"]) == ("webhook_endpoint.disabled", gone["id"])
    assert hit.event["data"]["disabled_reason"] == "gone"
    shown = until(lambda: it if (it := customer.does("GET", f"/{gone['id']}"))["disabled_at"] else None, "it is shown")
    assert (shown["status"], shown["disabled_reason"]) == ("disabled", "gone")
    customer.number.hears(person())
    receiver.waits("/elsewhere", 2)
    assert len(receiver.of("/gone")) == 1


def test_days_of_nothing_but_failure_disable_an_endpoint_and_what_it_missed_is_kept(
    customer: Customer, receiver: Receiver, person: Callable[[], str]
) -> None:
    receiver.answers["/dead"] = [500]
    dead = customer.listens("/dead", ["message.received"])
    customer.listens("/told", ["webhook_endpoint.*", "message.received"])
    for _ in range(3):
        customer.number.hears(person())
    [hit] = receiver.waits("/told", 1, "webhook_endpoint.disabled")
    assert (hit.event["data"]["id"], hit.event["data"]["disabled_reason"]) == (dead["id"], "failing")
    until(lambda: customer.does("GET", f"/{dead['id']}")["status"] == "disabled", "it is disabled")
    customer.number.hears(person())
    receiver.waits("/told", 4, "message.received")
    until(lambda: len(customer.deliveries(dead, status="held")) == 4, "what it missed is held")
    receiver.answers["/dead"] = [200]
    before = len(receiver.of("/dead"))
    enabled = customer.does("PATCH", f"/{dead['id']}", {"status": "enabled"})
    assert (enabled["failures"], enabled["disabled_reason"], enabled["failing_since"]) == (0, None, None)
    body = {"since": dead["created_at"], "status": "held"}
    assert customer.does("POST", f"/{dead['id']}/replay", body, 202)["replayed"] == 4
    receiver.waits("/dead", before + 4)


def test_a_notifier_that_is_killed_loses_nothing(stack: Stack, receiver: Receiver, person: Callable[[], str]) -> None:
    # A customer of its own: what the notifier that died had done and not committed is read again by the next, and an
    # endpoint made meanwhile gets it too, which here would be what an earlier test heard.
    customer = new_customer(stack, receiver, "Survivors")
    receiver.answers["/later"] = [500, 500, 200]
    endpoint = customer.listens("/killed", ["message.received"])
    later = customer.listens("/later", ["message.received"])
    held = receiver.hold("/killed")
    people = {person() for _ in range(9)}
    for who in people:
        customer.number.hears(who)
    receiver.waits("/killed", 4)  # as many as are tried at once: their attempts die with the process
    customer.stack.kill("notifier")
    held.set()
    last = person()
    customer.number.hears(last)
    customer.stack.restart("notifier")
    until(
        lambda: len(customer.deliveries(endpoint, status="delivered")) == 10, "all are delivered", 60,
        seen=lambda: (customer.does("GET", f"/{endpoint['id']}"), customer.deliveries(endpoint)),
    )  # fmt: skip
    until(lambda: len(customer.deliveries(later, status="delivered")) == 10, "all are delivered there too", 30)
    for path in ("/killed", "/later"):
        came = {hit.id: hit.event["data"]["from"] for hit in receiver.of(path)}
        assert len(came) == 10, "each event keeps its id"
        assert set(came.values()) == people | {last}
