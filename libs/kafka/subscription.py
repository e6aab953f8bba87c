"""One FastStream batch subscriber that hands out raw records: no header is decoded, nothing is acknowledged."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import ConsumerRebalanceListener  # type: ignore[import-untyped]
from aiokafka.coordinator.assignors.range import RangePartitionAssignor  # type: ignore[import-untyped]
from faststream.kafka import KafkaBroker
from faststream.kafka.subscriber.usecase import BatchSubscriber
from faststream.message import StreamMessage
from faststream.middlewares import AckPolicy

Fetched = Sequence[Any]  # aiokafka's ConsumerRecords, one partition's run after the other's

# How long the broker may hold a fetch that finds nothing. One fetch at a time goes to a broker, so a partition whose
# records were just taken waits for the fetch under way: this is the longest extra latency of a record.
FETCH_WAIT_MS = 100
MAX_PARTITION_FETCH_BYTES = 1024 * 1024  # per partition and fetch; a larger record still comes, alone
MAX_POLL_INTERVAL_MS = 300_000  # polling never stops, paused or not: a member that does not poll for so long is broken


@dataclass(frozen=True, slots=True)
class FetchSettings:
    """How records are fetched and membership is kept, in milliseconds."""

    batch_timeout_ms: int = 10  # a poll that finds nothing; 10 where latency counts, 50 elsewhere
    max_records: int = 500  # of one batch
    session_timeout_ms: int = 30_000  # without a heartbeat the member is taken for dead
    heartbeat_interval_ms: int = 3_000
    rebalance_timeout_ms: int = 60_000  # to come back from a revoke: more than a drain of 25 s


def subscribe(
    broker: KafkaBroker,
    topics: Sequence[str],
    group: str | None,
    settings: FetchSettings,
    listener: ConsumerRebalanceListener | None,
    take: Callable[[Fetched], Awaitable[None]],
) -> BatchSubscriber:
    """Register a batch subscriber whose handler is `take`; the caller starts and stops it.

    With `RangePartitionAssignor` partitions of the same number go to the same member across the topics, provided
    that the topics have the same partition count. Without a group every partition is read from its end.
    """
    subscriber = broker.subscriber(
        *topics,
        batch=True,
        group_id=group,
        auto_offset_reset="earliest" if group else "latest",
        partition_assignment_strategy=(RangePartitionAssignor,),
        session_timeout_ms=settings.session_timeout_ms,
        heartbeat_interval_ms=settings.heartbeat_interval_ms,
        rebalance_timeout_ms=settings.rebalance_timeout_ms,
        max_poll_interval_ms=MAX_POLL_INTERVAL_MS,
        fetch_max_wait_ms=FETCH_WAIT_MS,
        max_partition_fetch_bytes=MAX_PARTITION_FETCH_BYTES,
        batch_timeout_ms=settings.batch_timeout_ms,
        max_records=settings.max_records,
        listener=listener,
        parser=_unparsed,
        decoder=_undecoded,
        ack_policy=AckPolicy.MANUAL,
        no_reply=True,
        title=f"{group or 'every process'}: {', '.join(topics)}",
    )

    async def take_batch(records: Any) -> None:
        await take(records)

    subscriber(take_batch)
    return subscriber


async def _unparsed(message: Any) -> StreamMessage[Any]:
    """Wrap the batch as it is: FastStream's own parser drops it whole when one header is null or not UTF-8."""
    return StreamMessage(message, b"", correlation_id="batch", message_id="batch")


async def _undecoded(message: StreamMessage[Any]) -> Any:
    return message.raw_message
