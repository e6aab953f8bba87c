"""Records of topics, written and read as a program beside ours would."""

import asyncio
import json
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition  # type: ignore[import-untyped]

from libs.events.envelope import Envelope
from libs.events.topics import MESSAGES_REQUESTED
from tests.support.running import Stack

SOURCE = "tests"


def envelope(stack: Stack, **changes: Any) -> Envelope:
    """Return the envelope of a command, with an id of its own."""
    name = secrets.token_hex(8)
    made = {
        "id": name, "type": "SendMessage.v1", "source": SOURCE, "time": datetime.now(UTC),
        "tenant": stack.info["tenant"], "correlationid": f"request-{name}",
    }  # fmt: skip
    return Envelope(**made | changes)


async def produce(
    stack: Stack, *records: tuple[Envelope, bytes], topic: str = MESSAGES_REQUESTED, key: bytes = b"k"
) -> None:
    """Write commands, to send messages where no other topic is named."""
    producer = AIOKafkaProducer(bootstrap_servers=stack.info["kafka"])
    await producer.start()
    try:
        for each, value in records:
            await producer.send_and_wait(topic, value, key=key, headers=each.headers())
    finally:
        await producer.stop()


async def told(stack: Stack, topic: str, wanted: Callable[[dict[str, str], dict[str, Any]], bool], count: int) -> Any:
    """Return the first `count` events of a topic that are wanted, with their headers."""
    found = await told_at(stack, topic, wanted, count)
    return [(headers, data) for _, headers, data in found]


async def told_at(
    stack: Stack, topic: str, wanted: Callable[[dict[str, str], dict[str, Any]], bool], count: int
) -> list[tuple[int, dict[str, str], dict[str, Any]]]:
    """Return the same with when each was written, in milliseconds since the epoch."""
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.info["kafka"], auto_offset_reset="earliest")
    await consumer.start()
    found: list[tuple[int, dict[str, str], dict[str, Any]]] = []
    try:
        await consumer._client.add_topic(topic)
        consumer.assign([TopicPartition(topic, part) for part in consumer.partitions_for_topic(topic) or ()])
        async with asyncio.timeout(15):
            while len(found) < count:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    for record in records:
                        headers = {name: (value or b"").decode() for name, value in record.headers}
                        data = json.loads(record.value)
                        found += [(record.timestamp, headers, data)] if wanted(headers, data) else []
    finally:
        await consumer.stop()
    return found
