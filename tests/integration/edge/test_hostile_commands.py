"""Commands that nobody in their right mind would write: each is refused aloud, and those behind it go on."""

import asyncio
import json
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition  # type: ignore[import-untyped]

from libs.events.envelope import Envelope, UnreadableEnvelope, read_envelope
from libs.events.topics import MESSAGES_REJECTED, MESSAGES_REQUESTED
from tests.support.running import Number, Stack, until
from tests.support.shared_stack import greet, newest

VALUES = (
    b'{"to": "\\ud800"}',
    b'{"phone_number_id": "' + b"1" * 900_000 + b'"}',
    b'{"to": NaN, "ttl": 1e999}',
    b'{"client_ref": "\\udfff", "phone_number_id": "a\\u0000b"}',
    b'{"type": {"$ne": 1}}',
    b'{"components": ' + b"[" * 900 + b"]" * 900 + b"}",
    b"[" * 5000,
    b"\xff",
    b"",
)


def envelope(stack: Stack) -> Envelope:
    name = secrets.token_hex(8)
    return Envelope(
        id=name, type="SendMessage.v1", source="hostile", time=datetime.now(UTC), tenant=stack.info["tenant"],
        correlationid=f"request-{name}",
    )  # fmt: skip


async def produce(stack: Stack, records: list[tuple[Envelope, bytes]]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=stack.info["kafka"])
    await producer.start()
    try:
        for each, value in records:
            await producer.send_and_wait(MESSAGES_REQUESTED, value, key=b"hostile", headers=each.headers())
    finally:
        await producer.stop()


async def refusals(stack: Stack, wanted: set[str]) -> set[str]:
    """Return which of the wanted correlation ids were refused aloud, as soon as all were."""
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.info["kafka"], auto_offset_reset="earliest")
    await consumer.start()
    found: set[str] = set()
    try:
        await consumer._client.add_topic(MESSAGES_REJECTED)
        parts = consumer.partitions_for_topic(MESSAGES_REJECTED) or ()
        consumer.assign([TopicPartition(MESSAGES_REJECTED, part) for part in parts])
        async with asyncio.timeout(20):
            while not wanted <= found:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found |= {dict(record.headers).get("ce_correlationid", b"").decode() for record in records}
    except TimeoutError:
        pass
    finally:
        await consumer.stop()
    return found & wanted


async def test_every_command_that_cannot_be_read_is_refused_aloud(
    stack: Stack, number: Number, person: Callable[[], str]
) -> None:
    who = person()
    await asyncio.to_thread(greet, number, who)
    records = [(envelope(stack), value) for value in VALUES]
    good: dict[str, Any] = {"phone_number_id": number.id, "to": f"+{who}", "text": "behind them"}
    await produce(stack, [*records, (envelope(stack), json.dumps(good).encode())])
    wanted = {each.correlationid for each, _ in records}
    assert await refusals(stack, wanted) == wanted
    await asyncio.to_thread(until, lambda: newest(stack, recipient=who, direction="outbound"), "the good one is taken")


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_a_time_that_no_clock_has_makes_an_envelope_unreadable(stack: Stack, time: str) -> None:
    headers = [(name, value) for name, value in envelope(stack).headers() if name != "ce_time"]
    with pytest.raises(UnreadableEnvelope):
        read_envelope([*headers, ("ce_time", time.encode())])
