"""Records of Kafka topics as an operator handles them: read a range, put some back where they belong."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition  # type: ignore[import-untyped]
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]

from libs.kafka.dead_letters import PREFIX
from services.console.errors import CommandRefused

READ_WITHIN = 20.0  # seconds without a record, where there should be more
LARGEST = 5 * 1024 * 1024  # bytes of one record: as the largest topic takes them

Headers = tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, slots=True)
class Range:
    """Which records of a topic: by offset within one partition, or by time over all; ends are not included."""

    partition: int | None = None
    first: int | None = None
    last: int | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """One record where it lies."""

    topic: str
    partition: int
    offset: int
    timestamp: int  # milliseconds
    key: bytes | None
    value: bytes | None
    headers: Headers

    def header(self, name: str) -> str | None:
        """Return a header's text, or None."""
        value = next((value for key, value in self.headers if key == name), None)
        return value.decode(errors="replace") if value is not None else None

    def own_headers(self) -> list[tuple[str, bytes | None]]:
        """Return the headers that the record had before it became a dead letter."""
        return [(name, value) for name, value in self.headers if not name.startswith(PREFIX)]


@asynccontextmanager
async def _consumer(bootstrap: str, *topics: str) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        *topics, bootstrap_servers=bootstrap, enable_auto_commit=False, max_partition_fetch_bytes=LARGEST, group_id=None
    )  # of no group: it joins nothing and commits nothing
    try:
        await consumer.start()
    except KafkaError as error:
        await consumer.stop()
        raise CommandRefused(f"Kafka at {bootstrap} cannot be reached: {error}") from error
    try:
        yield consumer
    finally:
        await consumer.stop()


async def topics_ending_in(bootstrap: str, suffix: str) -> list[str]:
    """Return the names of the topics that end so."""
    async with _consumer(bootstrap) as consumer:
        return sorted(name for name in await consumer.topics() if name.endswith(suffix))


async def counts(bootstrap: str, topics: Sequence[str]) -> dict[str, int]:
    """Return how many records each topic holds now."""
    async with _consumer(bootstrap, *topics) as consumer:
        return {topic: sum(end - start for _, start, end in await _bounds(consumer, topic)) for topic in topics}


async def read(bootstrap: str, topic: str, wanted: Range, most: int | None = None) -> AsyncIterator[Stored]:
    """Yield the records of the range that are there when it is called, partition by partition, at most `most`.

    Raises CommandRefused when Kafka or the topic is not there, or does not go on.
    """
    async with _consumer(bootstrap, topic) as consumer:
        bounds = await _wanted_bounds(consumer, topic, wanted)
    if not bounds:
        return
    # A second consumer, for aiokafka's stop can wait for ever after a change of what is assigned.
    async with _consumer(bootstrap) as consumer:
        left = most
        consumer.assign([partition for partition, _, _ in bounds])
        for partition, start, _ in bounds:
            consumer.seek(partition, start)
        for partition, start, end in bounds:
            while start < end and left != 0:
                try:
                    record = await asyncio.wait_for(consumer.getone(partition), READ_WITHIN)
                except TimeoutError:
                    raise CommandRefused(f"{topic} did not give its next record within {READ_WITHIN:.0f} s") from None
                start = record.offset + 1
                if record.offset >= end:
                    break
                left = None if left is None else left - 1
                yield Stored(
                    topic, record.partition, record.offset, record.timestamp, record.key, record.value,
                    tuple(record.headers),
                )  # fmt: skip


async def _bounds(consumer: AIOKafkaConsumer, topic: str) -> list[tuple[TopicPartition, int, int]]:
    numbers = consumer.partitions_for_topic(topic)
    if not numbers:
        raise CommandRefused(f"there is no topic {topic}")
    partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
    starts, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
    return [(partition, starts[partition], ends[partition]) for partition in partitions]


async def _wanted_bounds(
    consumer: AIOKafkaConsumer, topic: str, wanted: Range
) -> list[tuple[TopicPartition, int, int]]:
    found = []
    for partition, start, end in await _bounds(consumer, topic):
        if wanted.partition is not None and partition.partition != wanted.partition:
            continue
        first = max(start, wanted.first or 0, await _offset_at(consumer, partition, wanted.since, start))
        last = min(end, end if wanted.last is None else wanted.last)
        last = min(last, await _offset_at(consumer, partition, wanted.until, end))
        if first < last:
            found.append((partition, first, last))
    return found


async def _offset_at(consumer: AIOKafkaConsumer, partition: TopicPartition, at: datetime | None, default: int) -> int:
    """Return the first offset at or after a time; the end of the partition where there is none."""
    if at is None:
        return default
    found = (await consumer.offsets_for_times({partition: int(at.timestamp() * 1000)}))[partition]
    if found is None:
        return int((await consumer.end_offsets([partition]))[partition])
    return int(found.offset)


@asynccontextmanager
async def producing(bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    """A producer that loses and repeats nothing; raises CommandRefused when Kafka cannot be reached."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, enable_idempotence=True, max_request_size=LARGEST, compression_type="lz4"
    )
    try:
        await producer.start()
    except KafkaError as error:
        await producer.stop()
        raise CommandRefused(f"Kafka at {bootstrap} cannot be reached: {error}") from error
    try:
        yield producer
    finally:
        await producer.stop()
