import asyncio
import json
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition  # type: ignore[import-untyped]

from libs.events.envelope import Envelope
from libs.events.topics import MESSAGES_REJECTED, MESSAGES_REQUESTED, MESSAGES_STATUS
from tests.support.running import Number, Stack, until
from tests.support.shared_stack import Tenant, greet, newest

SOURCE = "tests"


def envelope(stack: Stack, **changes: Any) -> Envelope:
    name = secrets.token_hex(8)
    made = {
        "id": name, "type": "SendMessage.v1", "source": SOURCE, "time": datetime.now(UTC),
        "tenant": stack.info["tenant"], "correlationid": f"request-{name}",
    }  # fmt: skip
    return Envelope(**made | changes)


async def produce(stack: Stack, *records: tuple[Envelope, bytes]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=stack.info["kafka"])
    await producer.start()
    try:
        for each, value in records:
            await producer.send_and_wait(MESSAGES_REQUESTED, value, key=b"k", headers=each.headers())
    finally:
        await producer.stop()


async def told(stack: Stack, topic: str, wanted: Callable[[dict[str, str], dict[str, Any]], bool], count: int) -> Any:
    """Return the first `count` events of a topic that are wanted, with their headers."""
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.info["kafka"], auto_offset_reset="earliest")
    await consumer.start()
    found: list[tuple[dict[str, str], dict[str, Any]]] = []
    try:
        await consumer._client.add_topic(topic)
        consumer.assign([TopicPartition(topic, part) for part in consumer.partitions_for_topic(topic) or ()])
        async with asyncio.timeout(15):
            while len(found) < count:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    for record in records:
                        headers = {name: (value or b"").decode() for name, value in record.headers}
                        data = json.loads(record.value)
                        found += [(headers, data)] if wanted(headers, data) else []
    finally:
        await consumer.stop()
    return found


def send(number: Number, who: str, **more: Any) -> bytes:
    body = {"phone_number_id": number.id, "to": f"+{who}", "text": "by command", "client_ref": who}
    return json.dumps(body | more).encode()


def test_a_command_becomes_one_message_however_often_it_is_told(
    stack: Stack, number: Number, person: Callable[[], str]
) -> None:
    who = person()
    greet(number, who)
    command = envelope(stack)
    asyncio.run(produce(stack, *[(command, send(number, who))] * 3, (envelope(stack), send(number, who, text="two"))))

    def both() -> list[dict[str, Any]] | None:
        rows = stack.call("GET", f"/messages?direction=outbound&recipient={who}").json()["data"]
        return rows if len(rows) >= 2 else None

    rows = until(both, "both messages are there", 10)
    for row in rows:
        number.reaches(row["id"], "delivered")
    assert len(stack.call("GET", f"/messages?direction=outbound&recipient={who}").json()["data"]) == 2
    by_text = {row["content"]["body"]: row for row in rows}
    assert set(by_text) == {"two", "by command"}
    repeated = by_text["by command"]["id"]
    events = asyncio.run(
        told(stack, MESSAGES_STATUS, lambda _, data: (data["message_id"], data["status"]) == (repeated, "delivered"), 1)
    )
    headers, data = events[0]
    assert (headers["ce_correlationid"], data["client_ref"]) == (command.correlationid, who)
    assert headers["ce_tenant"] == stack.info["tenant"]


def test_a_command_that_is_refused_is_told_with_its_correlation(
    stack: Stack, number: Number, stranger: Tenant, person: Callable[[], str]
) -> None:
    who = person()
    before = newest(stack, direction="outbound")
    cases = {
        "outside_customer_window": (envelope(stack), send(number, who)),
        "invalid_field": (envelope(stack), send(number, who, to="nobody")),
        "unknown_field": (envelope(stack), send(number, who, colour="red")),
        "missing_field": (envelope(stack), json.dumps({"to": f"+{who}"}).encode()),
        "not_json": (envelope(stack), b"{"),
        "number_not_found": (envelope(stack, tenant=stranger.id), send(number, who)),
        "template_not_found": (
            envelope(stack), send(number, who, type="template", template="no_such", language="en_US", text=None)
        ),
    }  # fmt: skip
    asyncio.run(produce(stack, *cases.values()))
    causes = {each.id: code for code, (each, _) in cases.items()}
    events = asyncio.run(
        told(stack, MESSAGES_REJECTED, lambda headers, _: headers["ce_causationid"] in causes, len(cases))
    )
    for headers, data in events:
        code = causes[headers["ce_causationid"]]
        assert data["error"]["code"] == code
        assert headers["ce_correlationid"] == cases[code][0].correlationid
        assert headers["ce_type"] == "MessageRejected.v1"
    assert newest(stack, direction="outbound") == before
