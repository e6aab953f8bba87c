"""A range of a topic's records, as an operator asks for it: by offset or by time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]

from libs.kafka.connection import KafkaConnection
from libs.kafka.record import Record, raw_record
from services.console.errors import CommandRefused

READ_WITHIN = 20.0  # seconds without a record, where there should be more


@dataclass(frozen=True, slots=True)
class Range:
    """Which records of a topic: by offset within one partition, or by time over all; ends are not included."""

    partition: int | None = None
    first: int | None = None
    last: int | None = None
    since: datetime | None = None
    until: datetime | None = None


async def read(kafka: KafkaConnection, topic: str, wanted: Range) -> AsyncIterator[Record]:
    """Yield the records of the range that are there when it is called, partition by partition.

    Raises CommandRefused when Kafka or the topic is not there, or does not go on.
    """
    async with _consumer(kafka, topic) as consumer:
        bounds = await _bounds(consumer, topic, wanted)
    if not bounds:
        return
    # A second consumer, for aiokafka's stop can wait for ever after a change of what is assigned.
    async with _consumer(kafka) as consumer:
        consumer.assign([partition for partition, _, _ in bounds])
        for partition, first, _ in bounds:
            consumer.seek(partition, first)
        for partition, _, last in bounds:
            async for record in _until(consumer, partition, last):
                yield record


async def _until(consumer: AIOKafkaConsumer, partition: TopicPartition, last: int) -> AsyncIterator[Record]:
    while await consumer.position(partition) < last:
        try:
            record = await asyncio.wait_for(consumer.getone(partition), READ_WITHIN)
        except TimeoutError:
            raise CommandRefused(f"{partition.topic} gave no record for {READ_WITHIN:.0f} s") from None
        if record.offset < last:
            yield raw_record(record)


@asynccontextmanager
async def _consumer(kafka: KafkaConnection, *topics: str) -> AsyncIterator[AIOKafkaConsumer]:
    # Of no group: it joins nothing and commits nothing.
    consumer = AIOKafkaConsumer(*topics, **kafka.options(), enable_auto_commit=False, auto_offset_reset="earliest")
    try:
        await consumer.start()
    except KafkaError as error:
        await consumer.stop()
        raise CommandRefused(f"Kafka at {kafka.bootstrap} cannot be reached: {error}") from error
    try:
        yield consumer
    finally:
        await consumer.stop()


async def _bounds(consumer: AIOKafkaConsumer, topic: str, wanted: Range) -> list[tuple[TopicPartition, int, int]]:
    """Return (partition, first offset, offset before which to stop) of every partition that has something."""
    numbers = sorted(consumer.partitions_for_topic(topic) or ())
    if not numbers:
        raise CommandRefused(f"there is no topic {topic}")
    partitions = [TopicPartition(topic, number) for number in numbers if wanted.partition in (None, number)]
    starts, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
    found = []
    for partition in partitions:
        start, end = starts[partition], ends[partition]
        first = max(start, wanted.first or 0, await _offset_at(consumer, partition, wanted.since, start, end))
        last = min(end, end if wanted.last is None else wanted.last)
        last = min(last, await _offset_at(consumer, partition, wanted.until, end, end))
        if first < last:
            found.append((partition, first, last))
    return found


async def _offset_at(
    consumer: AIOKafkaConsumer, partition: TopicPartition, at: datetime | None, default: int, end: int
) -> int:
    """Return the first offset at or after a time, `end` where nothing is that late; `default` for no time."""
    if at is None:
        return default
    found = (await consumer.offsets_for_times({partition: int(at.timestamp() * 1000)}))[partition]
    return end if found is None else int(found.offset)
