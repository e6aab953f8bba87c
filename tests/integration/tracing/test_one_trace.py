"""A stack that sends its traces to a collector: each message is one trace, whoever asked for it."""

import asyncio
import json
import secrets
import time
from collections.abc import Iterator

import pytest

from tests.support.collector import Collector, Seen, collecting
from tests.support.meta_bodies import body, change, inbound
from tests.support.receiver import Customer, Hit, Receiver, new_customer, receiving
from tests.support.running import Stack, running_stack, until
from tests.support.shared_stack import AT_ONCE
from tests.support.topics import envelope, produce

PERSON = "15557654321"
TEXT, QUESTION, ANSWER = "a text that no trace shows", "the person's question", "the bot's reply"
SEND, STATUS = "POST /api/v1/whatsapp/messages", "process messages.status.v1"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


@pytest.fixture(scope="module")
def stack(collector: Collector) -> Iterator[Stack]:
    """A stack that begins no trace of its own: what is recorded was asked for."""
    told = {"WABUS_TRACES_URL": collector.url, "WABUS_TRACES_SHARE": "0"}
    with running_stack("--without", "templates", **told) as running:
        running.box("PUT", "/timing", AT_ONCE)
        yield running


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture(scope="module")
def customer(stack: Stack, receiver: Receiver) -> Customer:
    made = new_customer(stack, receiver, "Traced")
    made.listens("/events")
    made.number.hears(PERSON)
    path = f"/messages?direction=inbound&recipient={PERSON}&limit=1"
    until(lambda: stack.call("GET", path, key=made.tenant.key).json()["data"], "the window is open", 20)
    return made


def asked() -> tuple[str, str, str]:
    """Return a trace, a span of a client's, and the header that asks to go on with them."""
    trace, span = secrets.token_hex(16), secrets.token_hex(8)
    return trace, span, f"00-{trace}-{span}-01"


def says(customer: Customer, header: str | None) -> str:
    sent = customer.stack.call(
        "POST", "/messages", {"phone_number_id": customer.number.id, "to": f"+{PERSON}", "text": TEXT},
        key=customer.tenant.key, headers={"traceparent": header} if header else {},
    )  # fmt: skip
    assert sent.status_code == 202, sent.text
    assert sent.headers["Request-Id"]
    return str(sent.json()["id"])


def follows(collector: Collector, trace: str, message_id: str) -> tuple[Seen, Seen, Seen]:
    """Check a message's way from its record to the customer; -> the spans of sender, tracker and last delivery."""
    graph = collector.waits(trace, "sender", "POST message to Graph", wabus__message_id=message_id)
    assert (graph.attributes["wabus.outcome"], graph.failed) == ("accepted", False)
    applied = collector.waits(trace, "tracker", "apply delivered", wabus__message_id=message_id)
    assert graph.parent == applied.parent, "both go on from the record"
    told = collector.waits(trace, "notifier", "POST event", wabus__event_type="message.delivered")
    assert told.attributes["http.response.status_code"] == 200
    assert collector.parent_of(told).parent == applied.id
    accepted = collector.waits(trace, "notifier", "POST event", wabus__event_type="message.accepted")
    # Where a status is faster than Graph's answer, the tracker says that the message was accepted.
    assert collector.parent_of(collector.parent_of(accepted)) in [graph, *collector.of(trace, "tracker")]
    return graph, applied, told


def reads(collector: Collector, trace: str, service: str, applied: Seen) -> None:
    """Wait until a service read what the tracker told."""

    def parents() -> set[str]:
        return {span.parent for span in collector.of(trace, service, STATUS)}

    until(lambda: applied.id in parents(), f"{service} read what the tracker told")


def about(receiver: Receiver, message_id: str) -> list[Hit]:
    """Return the webhooks about a message."""
    return [hit for hit in list(receiver.hits["/events"]) if hit.event["data"].get("id") == message_id]


def told_about(receiver: Receiver, message_id: str) -> list[Hit]:
    """Wait for webhooks about a message, and return them."""
    return list(until(lambda: about(receiver, message_id), "its statuses are told"))


def status_of(customer: Customer, message_id: str) -> str:
    answer = customer.stack.call("GET", f"/messages/{message_id}", key=customer.tenant.key)
    return str(answer.json()["status"])


def test_a_request_its_message_and_its_webhooks_are_one_trace(
    collector: Collector, customer: Customer, receiver: Receiver
) -> None:
    trace, client, header = asked()
    message_id = says(customer, header)
    graph, applied, told = follows(collector, trace, message_id)
    request = collector.waits(trace, "edge", SEND)
    assert request.parent == client
    assert request.attributes["http.response.status_code"] == 202
    assert graph.parent == request.id
    for service in ("analytics", "campaigns"):
        reads(collector, trace, service, applied)
    mine = [hit for hit in about(receiver, message_id) if hit.event["type"] == "message.delivered"]
    assert [hit.headers["traceparent"] for hit in mine] == [f"00-{trace}-{told.id}-01"]


def test_a_command_goes_on_with_its_producers_trace(collector: Collector, stack: Stack, customer: Customer) -> None:
    trace, producer, header = asked()
    command = envelope(stack, tenant=customer.tenant.id, traceparent=header)
    value = {"phone_number_id": customer.number.id, "to": f"+{PERSON}", "text": TEXT}
    asyncio.run(produce(stack, (command, json.dumps(value).encode())))
    taken = collector.waits(trace, "edge", "process messages.requested.v1")
    assert taken.parent == producer
    graph = collector.waits(trace, "sender", "POST message to Graph")
    assert graph.parent == taken.id
    follows(collector, trace, str(graph.attributes["wabus.message_id"]))


def test_a_bots_answer_is_in_the_trace_of_the_webhook_that_brought_the_question(
    collector: Collector, stack: Stack
) -> None:
    number = stack.connect(throughput=1000)
    rule = {"match": {"type": "exact", "value": QUESTION}, "answer": {"type": "text", "text": ANSWER}}
    bot = stack.call("POST", "/bots", {"name": "answers", "kind": "rules", "rules": [rule]}).json()["id"]
    assert stack.call("POST", f"/phone_numbers/{number.id}/link-bot", {"bot_id": bot}).status_code == 200
    assert stack.call("POST", f"/phone_numbers/{number.id}/autoreply", {"enabled": True}).status_code == 200
    trace, meta, header = asked()
    raw = body(number.waba_id, change(number.id, [inbound(PERSON, QUESTION)]))
    assert stack.webhook(raw, traceparent=header).status_code == 200
    graph = collector.waits(trace, "sender", "POST message to Graph")
    wanted = [
        ("edge", "process messages.requested.v1"),
        ("autoreply", "process messages.inbound.v1"),
        ("tracker", "process meta.webhooks.v1"),
        ("edge", "POST /webhooks/whatsapp"),
    ]
    for service, name in wanted:  # each service sends when it comes to it
        collector.waits(trace, service, name)
    spans = {span.id: span for span in collector.of(trace)}
    way = [graph]
    while way[-1].parent in spans:
        way.append(spans[way[-1].parent])
    assert [(span.service, span.name) for span in way[1:]] == wanted
    assert way[-1].parent == meta


def test_a_call_that_edge_passes_on_is_one_trace(collector: Collector, stack: Stack) -> None:
    trace, client, header = asked()
    assert stack.call("GET", "/campaigns?limit=1", headers={"traceparent": header}).status_code == 200
    behind = collector.waits(trace, "campaigns", "GET /api/v1/whatsapp/campaigns")
    before = collector.waits(trace, "edge", "GET ")
    assert (behind.parent, before.parent) == (before.id, client)


def test_who_asks_for_no_trace_gets_none_at_a_share_of_nothing(
    collector: Collector, customer: Customer, receiver: Receiver
) -> None:
    trace, _, header = asked()
    quiet = [says(customer, None), says(customer, header[:-2] + "00")]
    told = says(customer, header)  # later, and so behind them in the order of the conversation
    follows(collector, trace, told)
    for message_id in quiet:
        assert not any("traceparent" in hit.headers for hit in told_about(receiver, message_id))
    assert not {span.attributes.get("wabus.message_id") for span in collector.spans} & set(quiet)


def test_no_span_shows_a_person_a_text_or_a_secret(collector: Collector, stack: Stack, customer: Customer) -> None:
    assert len(collector.raw) > 3
    said = b"\n".join(collector.raw)
    assert b"wabus.message_id" in said, "the bytes are what they are taken for"
    made = customer.number.made
    shown, url = made["phone_numbers"][0]["display_phone_number"], customer.receiver.url("/events")
    secrets_of_all = [customer.tenant.key, stack.key, made["access_token"], stack.info["app_secret"]]
    private = [PERSON, TEXT, QUESTION, ANSWER, shown, url, customer.number.id, *secrets_of_all]
    assert [word for word in private if word.encode() in said] == []


def test_a_collector_that_is_away_disturbs_nothing(collector: Collector, stack: Stack, customer: Customer) -> None:
    collector.away = True
    try:
        _, _, header = asked()
        ids = [says(customer, header) for _ in range(20)]
        until(
            lambda: {status_of(customer, message_id) for message_id in ids} <= {"delivered", "read"},
            "delivered while the collector is away",
        )
        until(lambda: collector.refused, "the collector was asked")
        began = time.monotonic()
        stack.restart("notifier")
        assert time.monotonic() - began < 20
        assert stack.http.get(stack.info["metrics"]["sender"].replace("/metrics", "/readyz")).status_code == 200
    finally:
        collector.away = False
    trace, _, header = asked()
    follows(collector, trace, says(customer, header))
