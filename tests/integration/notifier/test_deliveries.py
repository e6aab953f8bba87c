"""What a customer's receiver gets, and what it does not."""

from collections.abc import Callable

from tests.support.receiver import Customer, Receiver


def test_what_a_user_writes_arrives_signed(customer: Customer, receiver: Receiver, person: Callable[[], str]) -> None:
    endpoint, who = customer.listens("/inbound", ["message.received"]), person()
    customer.number.hears(who, "is anybody there")
    [hit] = receiver.waits("/inbound", 1)
    assert hit.is_signed_by(endpoint["secret"])
    assert hit.headers["content-type"] == "application/json"
    event = hit.event
    assert set(event) == {"id", "type", "timestamp", "data"}
    assert (event["id"], event["type"]) == (hit.id, "message.received")
    data = event["data"]
    assert (data["from"], data["content"], data["phone_number_id"]) == (
        who, {"body": "is anybody there"}, customer.number.id
    )  # fmt: skip
    stored = customer.stack.call("GET", f"/messages/{data['id']}", key=customer.tenant.key).json()
    assert {name: data[name] for name in data if name in stored} == {
        name: stored[name] for name in data if name in stored
    }


def test_the_statuses_of_a_message_arrive_with_what_the_api_shows(
    customer: Customer, receiver: Receiver, person: Callable[[], str]
) -> None:
    endpoint, who = customer.listens("/statuses", ["message.*"]), person()
    customer.number.hears(who)
    receiver.waits("/statuses", 1, "message.received")
    body = {"phone_number_id": customer.number.id, "to": f"+{who}", "text": "hello", "client_ref": "order-7"}
    sent = customer.stack.call("POST", "/messages", body, key=customer.tenant.key)
    assert sent.status_code == 202, sent.text
    names = ("message.accepted", "message.sent", "message.delivered")
    hits = receiver.waits("/statuses", 3, *names)
    assert {hit.event["type"] for hit in hits} == set(names)
    for hit in hits:
        data = hit.event["data"]
        assert hit.is_signed_by(endpoint["secret"])
        assert (data["id"], data["client_ref"], data["direction"]) == (sent.json()["id"], "order-7", "outbound")
        assert hit.event["type"] == f"message.{data['status']}"


def test_templates_and_accounts_that_change_are_told(customer: Customer, receiver: Receiver) -> None:
    customer.listens("/changes", ["template.changed", "account.*", "number.changed"])
    stack, number = customer.stack, customer.number
    stack.box("POST", f"/accounts/{number.waba_id}/events", {"event": "quality", "quality": "RED"})
    [hit] = receiver.waits("/changes", 1, "number.changed")
    assert hit.event["data"]["phone_number_id"] == number.id
