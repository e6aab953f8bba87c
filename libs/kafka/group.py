"""Membership in a consumer group: what is read goes to an engine, what the engine finished is committed."""

import asyncio
import contextlib
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition  # type: ignore[import-untyped]
from aiokafka.errors import (  # type: ignore[import-untyped]
    CommitFailedError,
    IllegalStateError,
    KafkaError,
)

from libs.kafka.bus import Bus
from libs.kafka.cancellations import ForeignCancellation, foreign_cancellations
from libs.kafka.errors import BusUnavailable
from libs.kafka.membership import Engine, Membership
from libs.kafka.metrics import FINISHED, LAG, PARTITIONS
from libs.kafka.record import Partition
from libs.kafka.subscription import Fetched, ended, subscribe

COMMIT_EVERY = 1.0  # seconds: what a crash repeats at most, beside what was in flight; a dead consumer is found as soon
COMMIT_WITHIN = 5.0  # seconds for the last commit before partitions are let go
LEAVE_WITHIN = 8.0  # seconds to leave the group: a rebalance under way has to end first, heartbeats are 3 s apart
BLOCK = 1.0  # seconds that a full engine may hold up the next poll, far below the poll interval
JOIN_RETRY = 1.0  # seconds between two tries to join

log = structlog.get_logger()


class GroupMember(ConsumerRebalanceListener):  # type: ignore[misc]
    """Joins in the background and stays a member until it is stopped; hands records to the engine, commits for it."""

    def __init__(self, bus: Bus, topics: Sequence[str], group: str, engine: Engine, membership: Membership) -> None:
        self._bus = bus
        self._topics = topics
        self._group = group
        self._engine = engine
        self._membership = membership
        self._subscriber = subscribe(bus.broker, topics, group, membership.fetch, self, self._take)
        self._owned: frozenset[Partition] = frozenset()
        self._held: frozenset[Partition] = frozenset()
        self._rebalance = asyncio.Lock()
        self._committing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self.joined = asyncio.Event()
        self._stopping = False
        self._quiet: dict[Partition, int] = {}

    @property
    def owned(self) -> frozenset[Partition]:
        """Return the partitions that are this member's now."""
        return self._owned

    async def start(self, needed: Iterable[str] = ()) -> None:
        """Begin to join; returns at once. `needed` are further topics that must exist, such as dead-letter topics."""
        self._task = asyncio.create_task(self._stay([*self._topics, *needed]))

    async def stop(self) -> None:
        """Finish what was begun, commit it, leave the group."""
        self._stopping = True
        await self._let_go()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        await self._leave()

    def hold(self, partitions: Collection[Partition] | None) -> None:
        """Fetch nothing from just these partitions, None means from any of ours; polling goes on."""
        held = self._owned if partitions is None else self._owned.intersection(partitions)
        consumer = self._subscriber.consumer
        if held == self._held or consumer is None:
            return
        with contextlib.suppress(IllegalStateError):  # a rebalance has just begun: what comes next starts afresh
            consumer.pause(*(TopicPartition(*partition) for partition in held - self._held))
            consumer.resume(*(TopicPartition(*partition) for partition in (self._held - held) & self._owned))
        self._held = held

    def lag(self) -> dict[Partition, int]:
        """Return how many records of each owned partition are not finished yet, as far as the last fetch knew."""
        found = {}
        for partition in self._owned:
            progress = self._engine.progress.get(partition)
            end = self._subscriber.consumer.highwater(TopicPartition(*partition)) if self._subscriber.consumer else None
            found[partition] = max((end or 0) - progress.position, 0) if progress else 0
        return found

    async def places_now(self) -> dict[Partition, tuple[int, int]]:
        """Ask the broker where each owned partition ends at this moment; -> that, and up to where it is finished.

        Partitions that are just coming or going are left out. Raises BusUnavailable.
        """
        consumer, owned = self._subscriber.consumer, self._owned
        if consumer is None or not owned:
            return {}
        try:
            ends = await consumer.end_offsets([TopicPartition(*partition) for partition in owned])
        except KafkaError:
            raise BusUnavailable("Kafka did not tell the ends of the partitions") from None
        found = {}
        for partition in owned & self._owned:
            end, progress = ends[TopicPartition(*partition)], self._engine.progress.get(partition)
            if progress is not None:
                found[partition] = (end, progress.position)
            elif (position := await self._quiet_position(partition)) is not None:
                found[partition] = (end, position)
        return found

    async def _quiet_position(self, partition: Partition) -> int | None:
        """Return where a partition stands that has given no record yet; None until it stood there at the last ask too.

        A record that is fetched but not yet with the engine moves the position: by the next ask it has arrived.
        """
        consumer = self._subscriber.consumer
        try:
            position: int = await consumer.position(TopicPartition(*partition)) if consumer else -1
        except (IllegalStateError, KafkaError):
            return None
        before, self._quiet[partition] = self._quiet.get(partition), position
        return position if before == position else None

    async def on_partitions_revoked(self, revoked: set[Any]) -> None:
        """Called by aiokafka before it joins again: nobody else gets the partitions until this returns."""
        await self._let_go()

    async def on_partitions_assigned(self, assigned: set[Any]) -> None:
        """Called by aiokafka with all partitions that are ours from now on."""
        if self._stopping:
            return
        self._owned = frozenset((part.topic, part.partition) for part in assigned)
        self._held = frozenset()
        self._engine.assigned()
        log.info("partitions_assigned", group=self._group, count=len(self._owned))
        await self._membership.on_assign(self._owned)

    async def _let_go(self) -> None:
        async with self._rebalance:
            going, self._owned = self._owned, frozenset()
            if not going:
                return
            try:
                await self._membership.on_revoke(going)
            except Exception:
                log.exception("revoke_hook_failed", group=self._group)
            await self._engine.finish(going, self._membership.drain_within)
            try:
                async with asyncio.timeout(COMMIT_WITHIN):
                    await self._commit(going)
            except TimeoutError:
                log.warning("last_commit_failed", group=self._group)
            self._engine.forget(going)

    async def _stay(self, needed: Sequence[str]) -> None:
        """Join, commit regularly, and join again should the consumer have ended."""
        while True:
            await self._join(needed)
            while not ended(self._subscriber):
                await asyncio.sleep(COMMIT_EVERY)
                try:
                    await self._commit(self._owned)
                except Exception:
                    log.exception("commit_broken", group=self._group)
                self._measure()
            log.error("consumer_ended", group=self._group)
            self.joined.clear()
            await self._let_go()
            await self._leave()

    def _measure(self) -> None:
        lag = self.lag()
        for topic in self._topics:
            behind = [records for (of, _), records in lag.items() if of == topic]
            LAG.labels(topic, self._group).set(sum(behind))
            PARTITIONS.labels(topic, self._group).set(len(behind))

    async def _join(self, needed: Sequence[str]) -> None:
        while True:
            try:
                if await self._topics_stand(needed):
                    with foreign_cancellations():
                        await self._subscriber.start()
                    self.joined.set()
                    return
            except Exception as error:
                log.warning("group_not_joined", group=self._group, error_type=type(error).__name__)
                await self._leave()
            await asyncio.sleep(JOIN_RETRY)

    async def _leave(self) -> None:
        try:
            async with asyncio.timeout(LEAVE_WITHIN):
                with foreign_cancellations():
                    await self._subscriber.stop()
        except (TimeoutError, KafkaError, ForeignCancellation) as error:
            log.warning("group_not_left", group=self._group, error_type=type(error).__name__)
            self._subscriber.consumer = None

    async def _topics_stand(self, needed: Sequence[str]) -> bool:
        counts = await self._bus.partition_counts(needed)
        if missing := [topic for topic, count in counts.items() if not count]:
            log.error("topics_missing", group=self._group, topics=missing)
            return False
        if self._membership.aligned and len({counts[topic] for topic in self._topics}) > 1:
            log.error("topics_not_aligned", group=self._group, topics=list(self._topics))
            return False
        return True

    async def _take(self, fetched: Fetched) -> None:
        for (topic, number), records in _by_partition(fetched).items():
            if (topic, number) in self._owned and await self._is_current(topic, number, records[-1].offset):
                self._engine.accept((topic, number), records)
        if not self._engine.room.is_set():
            # A short wait keeps what is prefetched; a pause throws it away, but a member has to go on polling.
            try:
                async with asyncio.timeout(BLOCK):
                    await self._engine.room.wait()
            except TimeoutError:
                self.hold(None)

    async def _is_current(self, topic: str, number: int, offset: int) -> bool:
        """Tell whether the records up to this offset were fetched under the present assignment.

        After a rebalance the position is set back to the last commit and the same records come again: taking those of
        before would put later records in front of earlier ones, and commit past them.
        """
        consumer = self._subscriber.consumer
        if consumer is None:
            return False
        try:
            position = await consumer.position(TopicPartition(topic, number))
        except IllegalStateError:
            return False
        return (topic, number) in self._owned and position > offset

    async def _commit(self, partitions: Collection[Partition]) -> None:
        async with self._committing:
            moved = {
                partition: (progress, progress.position)
                for partition in partitions
                if (progress := self._engine.progress.get(partition)) is not None and progress.uncommitted
            }
            consumer = self._subscriber.consumer
            if not moved or consumer is None:
                return
            try:
                with foreign_cancellations():
                    await consumer.commit({TopicPartition(*where): position for where, (_, position) in moved.items()})
            except (CommitFailedError, IllegalStateError):
                log.info("commit_overtaken_by_rebalance", group=self._group)
            except (KafkaError, ForeignCancellation) as error:
                log.warning("commit_failed", group=self._group, error_type=type(error).__name__)
            else:
                for (topic, _), (progress, position) in moved.items():
                    FINISHED.labels(topic, self._group).inc(position - progress.committed)
                    progress.committed = position


def _by_partition(fetched: Fetched) -> dict[Partition, list[Any]]:
    """Sort the records by partition; where offsets fall back, a rebalance came in between and only the rest counts."""
    found: dict[Partition, list[Any]] = {}
    for record in fetched:
        records = found.setdefault((record.topic, record.partition), [])
        if records and records[-1].offset >= record.offset:
            records.clear()
        records.append(record)
    return found


__all__ = ["GroupMember", "Membership"]
