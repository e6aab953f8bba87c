"""One FastStream batch subscriber that hands out raw records: no header is decoded, nothing is acknowledged."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from time import monotonic
from typing import Any, cast

from aiokafka import ConsumerRebalanceListener  # type: ignore[import-untyped]
from aiokafka.coordinator.assignors.range import RangePartitionAssignor  # type: ignore[import-untyped]
from faststream.kafka import KafkaBroker
from faststream.kafka.subscriber.usecase import BatchSubscriber
from faststream.message import StreamMessage
from faststream.middlewares import AckPolicy

from libs.kafka.tolerant_records import install as read_tolerantly

Fetched = Sequence[Any]  # aiokafka's ConsumerRecords; each partition's in order

FETCH_WAIT_MS = 500  # how long the broker may hold a fetch that finds nothing: two wake-ups a second when idle
UNHURRIED_WAIT_MS = 5_000  # the broker answers as soon as there is something; a partition let go again waits so long
MAX_PARTITION_FETCH_BYTES = 1024 * 1024  # per partition and fetch; a larger record still comes, alone
GATHERED_BYTES = MAX_PARTITION_FETCH_BYTES  # of a fetch that gathers: its time decides, but for a backlog
LULL_MS = 30  # who waited longer for a record is not busy, and takes it at once: gathering would only make it late
POLL_MS = 1000  # one poll: it returns with the first record, so an idle member wakes up once a second
MAX_POLL_INTERVAL_MS = 300_000  # polling never stops, paused or not: a member that does not poll for so long is broken


@dataclass(frozen=True, slots=True)
class FetchSettings:
    """How records are fetched and membership is kept, in milliseconds."""

    gather_ms: int = 15  # how long the broker gathers for a fetch where records follow one another; 0: not at all
    gathers_always: bool = False  # also after a lull: where nobody waits
    max_records: int = 500  # of one batch
    session_timeout_ms: int = 30_000  # without a heartbeat the member is taken for dead
    heartbeat_interval_ms: int = 3_000
    rebalance_timeout_ms: int = 60_000  # to come back from a revoke: more than a drain of 25 s
    wait_ms: int = FETCH_WAIT_MS  # of a fetch that finds nothing: `UNHURRIED_WAIT_MS` where no partition is held back

    def options(self) -> dict[str, Any]:
        """Return what FastStream's batch subscriber takes of it, and the same for all."""
        return {
            "session_timeout_ms": self.session_timeout_ms,
            "heartbeat_interval_ms": self.heartbeat_interval_ms,
            "rebalance_timeout_ms": self.rebalance_timeout_ms,
            "max_poll_interval_ms": MAX_POLL_INTERVAL_MS,
            "fetch_max_wait_ms": self.wait_ms,
            "max_partition_fetch_bytes": MAX_PARTITION_FETCH_BYTES,
            "max_records": self.max_records,
        }


NOBODY_WAITS = FetchSettings(gather_ms=FETCH_WAIT_MS, gathers_always=True)  # a unit of work costs the same for many


class GatheringSubscriber(BatchSubscriber):
    """FastStream's batch subscriber with another poll: it waits long for the first record, and where records follow one
    another it has the broker gather them.

    The original polls every 10 ms and sleeps as long in between: 1.6% of a core per idle subscriber, and up to 10 ms
    of latency. Without gathering, a fetch costs 300 to 400 µs of CPU and brings one or two records: where records
    follow one another that adds up, after a lull it does not, and each stage would be late by the whole gathering.
    """

    __slots__ = ()
    pace: FetchSettings  # set by `subscribe`, as the next
    came_at: float  # monotonic seconds: when the last batch came

    async def get_msg(self, consumer: Any) -> tuple[Any, ...]:
        """Return the next batch, empty when there was no record within POLL_MS. Raises KafkaError."""
        always, soon = self.pace.gathers_always, self.pace.gather_ms + LULL_MS
        gathering, fetched = consumer._fetcher._fetch_min_bytes > 1, {}
        patience = soon if gathering and not always else POLL_MS  # an idle member fetches seldom
        try:
            fetched = await consumer.getmany(timeout_ms=patience, max_records=self.max_records)
        finally:
            now = monotonic()
            follows = bool(fetched) and self.pace.gather_ms > 0 and (now - self.came_at) * 1000 < soon
            self.came_at = now if fetched else self.came_at
            self._gather(consumer, always or follows)
        return tuple(chain(*fetched.values()))

    def _gather(self, consumer: Any, gathering: bool) -> None:
        """Set how the next fetch is asked for: aiokafka reads these two anew for each."""
        fetcher = consumer._fetcher
        fetcher._fetch_min_bytes = GATHERED_BYTES if gathering else 1
        fetcher._fetch_max_wait_ms = self.pace.gather_ms if gathering else self.pace.wait_ms


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
    read_tolerantly()
    subscriber = broker.subscriber(
        *topics,
        batch=True,
        group_id=group,
        auto_offset_reset="earliest" if group else "latest",
        partition_assignment_strategy=(RangePartitionAssignor,),
        **settings.options(),
        listener=listener,
        parser=_unparsed,
        decoder=_undecoded,
        ack_policy=AckPolicy.MANUAL,
        no_reply=True,
        title=f"{group or 'every process'}: {', '.join(topics)}",
    )
    subscriber(_untyped(take))
    subscriber.__class__ = GatheringSubscriber  # the factory behind broker.subscriber() takes no class
    gathering = cast(GatheringSubscriber, subscriber)
    gathering.pace, gathering.came_at = settings, float("-inf")
    return gathering


def ended(subscriber: BatchSubscriber) -> bool:
    """Tell whether the consumer of a started subscriber has ended by itself, which it tells nobody.

    Its group coordination and its fetching are tasks; once one has ended, no poll brings anything any more, and
    FastStream's own loop is not begun again when it was cancelled from inside.
    """
    consumer = subscriber.consumer
    if consumer is None:
        return True
    tasks = [*subscriber.tasks[-1:], consumer._fetcher._fetch_task]
    if consumer._group_id is not None:
        tasks.append(consumer._coordinator._coordination_task)
    return any(task.done() for task in tasks)


def _untyped(take: Callable[[Fetched], Awaitable[None]]) -> Callable[[Any], Awaitable[None]]:
    """Return the handler as a plain function of anything: FastStream reads the signature of what it is given."""

    async def take_batch(records: Any) -> None:
        await take(records)

    return take_batch


async def _unparsed(message: Any) -> StreamMessage[Any]:
    """Wrap the batch as it is: FastStream's own parser drops it whole when one header is null or not UTF-8."""
    return StreamMessage(message, b"", correlation_id="batch", message_id="batch")


async def _undecoded(message: StreamMessage[Any]) -> Any:
    return message.raw_message
