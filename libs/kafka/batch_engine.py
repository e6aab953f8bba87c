"""What runs batches: one at a time, in order, halved where the handler has a bug with one of its records."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from libs.kafka.attempts import Attempts, CeilingReached, Waits
from libs.kafka.ceiling import CeilingWatch
from libs.kafka.dead_letters import Story, redacted
from libs.kafka.errors import LetGo, Poison, Reason
from libs.kafka.lane_engine import CANCEL_WITHIN, Feed
from libs.kafka.progress import Progress
from libs.kafka.record import Partition, Record, raw_record
from libs.kafka.subscription import Fetched
from libs.runtime.clock import Clock
from libs.runtime.errors import Outage

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that the handler found to be poison; `error` names fields, never values."""

    record: Record
    reason: Reason | str
    error: str = ""


Handle = Callable[[Sequence[Record]], Awaitable[Sequence[Rejected] | None]]


class BatchEngine:
    """Runs what waits as one batch of at most `most` records; the next one gathers meanwhile."""

    def __init__(
        self,
        handle: Handle,
        attempts: Callable[[Callable[[Record], Awaitable[object]]], Attempts],
        watch: CeilingWatch,
        clock: Clock,
        most: int,
        halt: Callable[[], None],
    ) -> None:
        self.feed: Feed | None = None
        self.in_flight = 0
        self._handle = handle
        self._attempts = attempts(self._handle_one)
        self._watch = watch
        self._clock = clock
        self._most = most
        self._halt = halt
        self._progress: dict[Partition, Progress] = {}
        self._waiting: deque[Any] = deque()
        self.room = asyncio.Event()
        self.room.set()
        self._more = asyncio.Event()
        self._leaving = asyncio.Event()
        self._current: asyncio.Task[None] | None = None
        self._worker: asyncio.Task[None] | None = None

    @property
    def progress(self) -> Mapping[Partition, Progress]:
        """Return how far each partition is done."""
        return self._progress

    def start(self) -> None:
        """Begin to run batches."""
        self._worker = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """End the worker; what it ran was finished or let go before."""
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.wait({self._worker})

    def accept(self, partition: Partition, fetched: Fetched) -> None:
        """Let the records wait for the next batch."""
        if self._leaving.is_set():
            return
        if partition not in self._progress:
            self._progress[partition] = Progress(fetched[0].offset)
        self._waiting.extend(fetched)
        self.in_flight += len(fetched)
        self._more.set()
        self._regulate()

    async def finish(self, partitions: Collection[Partition], within: float) -> None:
        """Finish the batch under way, begin no other. (Kafka's eager protocol takes all partitions at once.)"""
        self._leaving.set()
        self._waiting.clear()
        self.room.set()
        if self._current is None or self._current.done():
            return
        _, late = await asyncio.wait({self._current}, timeout=within)
        if late:
            log.warning("drain_too_long", count=1, seconds=within)
            self._current.cancel()
            await asyncio.wait(late, timeout=CANCEL_WITHIN)

    def forget(self, partitions: Collection[Partition]) -> None:
        """Drop what is left: the next owner handles it."""
        self._progress.clear()
        self.in_flight = 0
        self._leaving = asyncio.Event()
        self._regulate()

    def assigned(self) -> None:
        """Hold new partitions too where records are held."""
        self._regulate()

    async def _work(self) -> None:
        while True:
            await self._more.wait()
            self._more.clear()
            while self._waiting:
                count = min(self._most, len(self._waiting))
                batch = [self._waiting.popleft() for _ in range(count)]
                self._regulate()
                self._current = asyncio.create_task(self._run(batch, self._leaving))
                await asyncio.wait({self._current})

    async def _run(self, fetched: list[Any], leaving: asyncio.Event) -> None:
        try:
            await self._finish([raw_record(raw) for raw in fetched], leaving)
        except LetGo:
            pass
        except CeilingReached:
            self._stand_still()
        except Exception:
            log.exception("batch_broken")
            self._stand_still()

    def _stand_still(self) -> None:
        """Run nothing more: the batches behind must not be committed past this one."""
        self._leaving.set()
        self._waiting.clear()
        self._halt()

    async def _finish(self, records: Sequence[Record], leaving: asyncio.Event) -> None:
        waits = Waits(leaving)
        while True:
            try:
                rejected = await self._handle(records) or ()
            except (Outage, LetGo):
                await waits.for_outage()
            except Exception as error:
                return await self._isolate(records, leaving, error)
            else:
                self._watch.finished(len(records) - len(rejected))
                await self._bury(rejected, leaving)
                return self._advance(records)

    async def _isolate(self, records: Sequence[Record], leaving: asyncio.Event, error: Exception) -> None:
        """Find the record at fault by halving; alone, it has its tries like any other."""
        if len(records) == 1:
            await self._attempts.finish(records[0], leaving, before=1)
            return self._advance(records)
        log.warning("batch_raised", record_count=len(records), exc_info=error)
        middle = len(records) // 2
        await self._finish(records[:middle], leaving)
        return await self._finish(records[middle:], leaving)

    async def _handle_one(self, record: Record) -> None:
        for rejected in await self._handle([record]) or ():
            raise Poison(rejected.reason, rejected.error)

    async def _bury(self, rejected: Sequence[Rejected], leaving: asyncio.Event) -> None:
        for one in rejected:
            story = Story(Reason(one.reason), redacted(one.error), 1, self._clock.now())
            await self._attempts.bury(one.record, story, leaving)

    def _advance(self, records: Sequence[Record]) -> None:
        for record in records:
            if (progress := self._progress.get((record.topic, record.partition))) is not None:
                progress.position = record.offset + 1
        self.in_flight -= len(records)

    def _regulate(self) -> None:
        """Let one full batch wait behind the one that runs."""
        if len(self._waiting) >= self._most:
            self.room.clear()
            return
        self.room.set()
        if self.feed is not None:
            self.feed.hold(())
