"""The bus of one process: FastStream's broker for what is read, one idempotent producer for what is written."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from aiokafka.errors import (  # type: ignore[import-untyped]
    InvalidTimestampError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    ProducerClosed,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)
from aiokafka.partitioner import murmur2  # type: ignore[import-untyped]
from aiokafka.record.default_records import DefaultRecordBatchBuilder  # type: ignore[import-untyped]
from faststream.kafka import KafkaBroker
from faststream.middlewares import AckPolicy
from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from libs.kafka.connection import KafkaConnection
from libs.kafka.disks import Disk, disks_of
from libs.kafka.errors import BusUnavailable, RecordRefused
from libs.kafka.producer import MAX_REQUEST_BYTES, ReplaceableProducer
from libs.kafka.record import Outgoing
from libs.kafka.refusals import knock

REQUEST_TIMEOUT_MS = (
    40_000  # 10 s made 13,440 of 30,000 sends raise in an outage of 20 s, 40 s none; JoinGroup ends here
)
RETRY = 0.1  # seconds between two tries of a write
REACHABLE_WITHIN = 2.0  # seconds a readiness check may take

# What the broker will not take however often it is asked.
HOPELESS = (
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    InvalidTimestampError,
    TopicAuthorizationFailedError,
)
# What says nothing about the producer's state: it stays.
PASSING = (KafkaTimeoutError, UnknownTopicOrPartitionError, ProducerClosed)


class Bus:
    """A part: connects to Kafka in the background, so that a service can start while Kafka is away."""

    def __init__(
        self,
        connection: KafkaConnection,
        client_id: str,
        *,
        linger_ms: int = 0,
        request_timeout_ms: int = REQUEST_TIMEOUT_MS,
    ) -> None:
        self.connection = connection
        self.client_id = client_id
        self.broker = KafkaBroker(
            connection.servers,
            security=security_of(connection),
            client_id=client_id,
            request_timeout_ms=request_timeout_ms,
            consumer_only=True,  # its producer does not wait for the acknowledgement and cannot be replaced
            allow_auto_create_topics=False,  # topics come from contracts/topics.yaml
            ack_policy=AckPolicy.MANUAL,
            apply_types=False,
            logger=_errors_only(),
        )
        self._producer = ReplaceableProducer(
            connection, client_id, linger_ms=linger_ms, request_timeout_ms=request_timeout_ms
        )

    async def start(self) -> None:
        """Knock, and begin to connect; returns soon. Raises StartRefused when Kafka does not let us in."""
        await knock(self.connection)
        await self.broker.connect()
        await self._producer.start()

    async def stop(self) -> None:
        """Flush and close the producer; consumers have stopped before."""
        await self._producer.stop()
        await self.broker.stop()

    async def publish(
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes | None]] = (),
        timeout: float = 30,
    ) -> None:
        """Write one record and return after the broker's acknowledgement (all in-sync replicas).

        Raises BusUnavailable when `timeout` seconds pass first (the record may still be written later), RecordRefused
        when it is too large or the broker will never take it.
        """
        _check_size(key, value, headers)
        try:
            async with asyncio.timeout(timeout):
                while True:
                    if await self._written(topic, key, value, headers):
                        return
                    await asyncio.sleep(RETRY)
        except TimeoutError:
            self._producer.mend()
            raise BusUnavailable(f"Kafka did not acknowledge within {timeout:g} s") from None

    async def publish_many(self, records: Sequence[Outgoing], timeout: float = 30) -> None:
        """Write many records, cheaply; order is kept per partition. Returns after the last acknowledgement.

        Raises as `publish` does: some records may then be written and others not.
        """
        for record in records:
            _check_size(record.key, record.value, record.headers)
        try:
            async with asyncio.timeout(timeout):
                left = records
                while True:
                    if not (left := await self._write_batches(left)):
                        return
                    await asyncio.sleep(RETRY)
        except TimeoutError:
            self._producer.mend()
            raise BusUnavailable(f"Kafka did not acknowledge within {timeout:g} s") from None

    async def reachable(self) -> bool:
        """Tell whether a broker answers now (for readiness)."""
        producer = self._producer.connected()
        if producer is None:
            return False
        try:
            async with asyncio.timeout(REACHABLE_WITHIN):
                return bool(await producer.client.force_metadata_update())
        except (TimeoutError, KafkaError):
            return False

    async def disks(self) -> list[Disk]:
        """Return the disks of the brokers that tell. Waits for the connection; raises KafkaError when it breaks."""
        return await disks_of((await self._producer.ready()).client)

    async def all_topics(self) -> dict[str, int]:
        """Return how many partitions each topic has. Waits for the connection; raises KafkaError when it breaks."""
        producer = await self._producer.ready()
        cluster = await producer.client.fetch_all_metadata()
        return {topic: len(cluster.partitions_for_topic(topic) or ()) for topic in cluster.topics()}

    async def partition_counts(self, topics: Iterable[str]) -> dict[str, int]:
        """Return how many partitions each of these topics has, 0 where it does not exist; else as `all_topics`."""
        counts = await self.all_topics()
        return {topic: counts.get(topic, 0) for topic in topics}

    async def _written(self, topic: str, key: bytes | None, value: bytes | None, headers: Any) -> bool:
        producer = await self._producer.ready()
        try:
            partition = _partition(key, sorted(await producer.partitions_for(topic)))
            await producer.send_and_wait(topic, value, key, partition, headers=list(headers))
        except KafkaError as error:
            self._judge(producer, error)
            return False
        return True

    async def _write_batches(self, records: Sequence[Outgoing]) -> list[Outgoing]:
        """Write the records as ready-made batches; return those that have to be written again."""
        producer = await self._producer.ready()
        try:
            groups = await _grouped(producer, records)
        except KafkaError as error:
            self._judge(producer, error)
            return list(records)
        left = await asyncio.gather(*(self._write_group(producer, *where, group) for where, group in groups.items()))
        return [record for group in left for record in group]

    async def _write_group(
        self, producer: Any, topic: str, partition: int | None, records: list[Outgoing]
    ) -> Sequence[Outgoing]:
        batches: list[tuple[int, asyncio.Future[Any]]] = []  # how many records precede each, and its acknowledgement
        sent = 0
        try:
            while sent < len(records):
                batch, first = producer.create_batch(), sent
                while sent < len(records) and _appended(batch, records[sent]):
                    sent += 1
                batches.append((first, await producer.send_batch(batch, topic, partition=partition)))
        except KafkaError as error:
            self._judge(producer, error)
            sent = first
        results = await asyncio.gather(*(future for _, future in batches), return_exceptions=True)
        for (first, _), result in zip(batches, results, strict=True):
            if isinstance(result, KafkaError):
                self._judge(producer, result)
                return records[first:]
        return records[sent:]

    def _judge(self, producer: Any, error: KafkaError) -> None:
        """Replace the producer where its sequence is broken; raise RecordRefused where trying again is useless."""
        if not isinstance(error, PASSING):
            self._producer.replace(producer)
        if isinstance(error, HOPELESS):
            raise RecordRefused(f"the broker refused the record: {type(error).__name__}") from error


def _check_size(key: bytes | None, value: bytes | None, headers: Any) -> None:
    size = DefaultRecordBatchBuilder.estimate_size_in_bytes(key, value, list(headers))
    if size > MAX_REQUEST_BYTES:
        raise RecordRefused(f"a record of {size} bytes is larger than {MAX_REQUEST_BYTES}")


def _appended(batch: Any, record: Outgoing) -> bool:
    return batch.append(timestamp=None, key=record.key, value=record.value, headers=list(record.headers)) is not None


async def _grouped(producer: Any, records: Sequence[Outgoing]) -> dict[tuple[str, int | None], list[Outgoing]]:
    partitions: dict[str, list[int]] = {}
    groups: dict[tuple[str, int | None], list[Outgoing]] = {}
    for record in records:
        if (known := partitions.get(record.topic)) is None:
            known = partitions[record.topic] = sorted(await producer.partitions_for(record.topic))
        groups.setdefault((record.topic, _partition(record.key, known)), []).append(record)
    return groups


def _partition(key: bytes | None, partitions: Sequence[int]) -> int | None:
    """Return the key's partition as every Kafka client reckons it, None for any."""
    return None if key is None else partitions[_hash(key) % len(partitions)]


@lru_cache(maxsize=16_384)  # keys are few (numbers, accounts, conversations at work) and murmur2 is pure Python here
def _hash(key: bytes) -> int:
    return int(murmur2(key)) & 0x7FFFFFFF


def security_of(connection: KafkaConnection) -> BaseSecurity | None:
    """Return in FastStream's words how to get in."""
    if connection.mechanism is None:
        return BaseSecurity(connection.context) if connection.context else None
    kinds = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}
    return kinds[connection.mechanism](connection.username or "", connection.secret, connection.context)


def _errors_only() -> logging.Logger:
    logger = logging.getLogger("faststream.kafka")
    logger.setLevel(logging.ERROR)  # below that it tells of topics it was told not to create
    return logger


__all__ = ["Bus", "BusUnavailable", "Outgoing", "RecordRefused"]
