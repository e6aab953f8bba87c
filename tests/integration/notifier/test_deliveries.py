"""What a customer's receiver gets, and what it does not."""

from collections.abc import Callable
from datetime import UTC, datetime

from tests.support.receiver import Customer, Receiver
from tests.support.running import Number, until
from tests.support.shared_stack import greet, refused


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
    message_id = customer.says(who, client_ref="order-7")
    names = ("message.accepted", "message.sent", "message.delivered")
    hits = receiver.waits("/statuses", 3, *names)
    assert {hit.event["type"] for hit in hits} == set(names)
    for hit in hits:
        data = hit.event["data"]
        assert hit.is_signed_by(endpoint["secret"])
        assert (data["id"], data["client_ref"], data["direction"]) == (message_id, "order-7", "outbound")
        assert hit.event["type"] == f"message.{data['status']}"
        assert data["to"] == customer.stack.call("GET", f"/messages/{message_id}", key=customer.tenant.key).json()["to"]


def test_templates_and_accounts_that_change_are_told(customer: Customer, receiver: Receiver) -> None:
    customer.listens("/changes", ["template.changed", "account.*", "number.changed"])
    stack, number = customer.stack, customer.number
    stack.box("POST", f"/accounts/{number.waba_id}/events", {"event": "quality", "quality": "RED"})
    [hit] = receiver.waits("/changes", 1, "number.changed")
    assert hit.event["data"]["phone_number_id"] == number.id


def test_only_what_an_endpoint_listens_to_arrives(
    customer: Customer, receiver: Receiver, person: Callable[[], str]
) -> None:
    customer.listens("/all")
    customer.listens("/templates-only", ["template.*"])
    customer.listens("/other-number", ["*"], phone_number_ids=["1"])
    customer.listens("/this-number", ["*"], phone_number_ids=[customer.number.id])
    customer.number.hears(person())
    receiver.waits("/all", 1)
    receiver.waits("/this-number", 1)
    assert receiver.of("/templates-only") == []
    assert receiver.of("/other-number") == []


def test_another_tenants_events_do_not_arrive(
    customer: Customer, receiver: Receiver, number: Number, person: Callable[[], str]
) -> None:
    customer.listens("/ours")
    greet(number, person())
    who = person()
    customer.number.hears(who)
    [hit] = receiver.waits("/ours", 1)
    assert hit.event["data"]["from"] == who
    assert len(receiver.of("/ours")) == 1


def test_a_refused_event_comes_again_with_the_same_id_and_body(
    customer: Customer, receiver: Receiver, person: Callable[[], str]
) -> None:
    receiver.answers["/retried"], receiver.words["/retried"] = [500, 503, 200], b"call +15570001234 " + b"x" * 9_000
    endpoint = customer.listens("/retried", ["message.received"])
    customer.number.hears(person())
    hits = receiver.waits("/retried", 3)
    assert {(hit.id, hit.body) for hit in hits} == {(hits[0].id, hits[0].body)}
    assert all(hit.is_signed_by(endpoint["secret"]) for hit in hits)
    delivery = until(lambda: customer.deliveries(endpoint, status="delivered"), "it is logged as delivered")[0]
    assert (delivery["event_id"], delivery["event_type"]) == (hits[0].id, "message.received")
    assert (delivery["attempt_count"], delivery["next_attempt_at"]) == (3, None)
    attempts = delivery["attempts"]
    assert [(each["status_code"], each["error"]) for each in attempts] == [
        (500, "status"), (503, "status"), (200, None)
    ]  # fmt: skip
    assert all(len(each["answer"]) <= 512 and "15570001234" not in each["answer"] for each in attempts)
    until(lambda: customer.does("GET", f"/{endpoint['id']}")["failures"] == 0, "a success ends its run of failures")


def test_a_redirect_is_not_followed(customer: Customer, receiver: Receiver, person: Callable[[], str]) -> None:
    receiver.answers["/moved"] = [302, 200]
    endpoint = customer.listens("/moved", ["message.received"])
    customer.number.hears(person())
    receiver.waits("/moved", 2)
    delivery = until(lambda: customer.deliveries(endpoint, status="delivered"), "it is delivered in the end")[0]
    assert [each["error"] for each in delivery["attempts"]] == ["redirect", None]
    assert receiver.of("/redirected") == []


def test_what_is_tried_in_vain_has_failed_in_the_end_and_can_be_sent_again(
    customer: Customer, receiver: Receiver
) -> None:
    receiver.answers["/never"] = [400]
    endpoint = customer.listens("/never", ["template.changed"])
    delivery = customer.does("POST", f"/{endpoint['id']}/test", {}, 202)
    assert (delivery["status"], delivery["event_type"]) == ("pending", "webhook.test")
    receiver.waits("/never", 3)
    receiver.answers["/never"] = [200]
    [hit] = receiver.waits("/never", 4)[3:]
    assert hit.event["data"]["endpoint_id"] == endpoint["id"]
    until(lambda: customer.deliveries(endpoint, status="delivered"), "it is delivered")
    again = customer.does("POST", f"/{endpoint['id']}/deliveries/{delivery['id']}/replay", {}, 202)
    assert (again["id"], again["status"]) == (delivery["id"], "pending")
    assert receiver.waits("/never", 5)[4].id == hit.id
    refused(customer.call("POST", f"/{endpoint['id']}/deliveries/{endpoint['id']}/replay", {}), 404)


def test_a_span_of_time_is_sent_again_by_type(
    customer: Customer, receiver: Receiver, person: Callable[[], str]
) -> None:
    endpoint = customer.listens("/again")
    customer.does("POST", f"/{endpoint['id']}/test", {}, 202)
    receiver.waits("/again", 1)
    for _ in range(3):
        customer.number.hears(person())
    first = receiver.waits("/again", 3, "message.received")
    until(lambda: len(customer.deliveries(endpoint, status="delivered")) == 4, "all four are delivered")
    path, since = f"/{endpoint['id']}/replay", endpoint["created_at"]
    done = customer.does("POST", path, {"since": since, "events": ["message.*"], "status": "delivered"}, 202)
    assert done["replayed"] == 3
    hits = receiver.waits("/again", 6, "message.received")
    assert sorted(hit.id for hit in hits) == sorted([hit.id for hit in first] * 2)
    assert len(receiver.of("/again", "webhook.test")) == 1
    assert customer.does("POST", path, {"since": "2036-01-01T00:00:00Z"}, 202)["replayed"] == 0
    until_before = {"since": since, "until": since}
    refused(customer.call("POST", path, until_before), 422, "invalid_field", "until")


def test_both_secrets_sign_while_they_overlap(customer: Customer, receiver: Receiver) -> None:
    endpoint = customer.listens("/rotated")
    path = f"/{endpoint['id']}"
    rotated = customer.does("POST", f"{path}/rotate_secret", {"overlap_seconds": 60})
    assert rotated["previous_valid_until"]
    customer.does("POST", f"{path}/test", {}, 202)
    [hit] = receiver.waits("/rotated", 1)
    assert len(hit.signatures()) == 2
    assert hit.is_signed_by(endpoint["secret"])
    assert hit.is_signed_by(rotated["secret"])
    last = customer.does("POST", f"{path}/rotate_secret", {"overlap_seconds": 0})
    customer.does("POST", f"{path}/test", {}, 202)
    hit = receiver.waits("/rotated", 2)[1]
    assert len(hit.signatures()) == 1
    assert hit.is_signed_by(last["secret"])


def test_raw_webhooks_that_are_replayed_send_nothing_again(
    customer: Customer, receiver: Receiver, person: Callable[[], str]
) -> None:
    began, who = datetime.now(UTC).isoformat(), person()
    endpoint = customer.listens("/history")
    customer.number.hears(who)
    receiver.waits("/history", 1)
    customer.says(who)
    receiver.waits("/history", 1, "message.delivered")
    before = customer.deliveries(endpoint)
    assert len(before) == 4
    customer.stack.cli("replay", "webhooks", "--from", began)
    customer.number.hears(who)  # both take the way of what was replayed, behind it
    customer.says(who)
    receiver.waits("/history", 2, "message.received")
    receiver.waits("/history", 2, "message.delivered")
    ids = [hit.id for hit in receiver.of("/history")]
    assert len(ids) == len(set(ids)) == len(customer.deliveries(endpoint)) == 8
