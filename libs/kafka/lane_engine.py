"""What runs the lanes: one task per lane that has records, progress without holes, a bounded number in flight."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Hashable, Mapping
from typing import Protocol

import structlog

from libs.kafka.attempts import Attempts, CeilingReached, Waits
from libs.kafka.errors import LetGo
from libs.kafka.progress import Entry, Progress
from libs.kafka.record import Partition, Record, raw_record
from libs.kafka.subscription import Fetched

CANCEL_WITHIN = 2.0  # seconds that a handler has to notice that it was cancelled
# Records of one partition that may be finished but held up by an unfinished one before them: they cost memory, and are
# repeated after a crash. In windows: a record that waits its 30 s lets the others of its partition go on meanwhile.
SPAN_IN_WINDOWS = 10

log = structlog.get_logger()


class Feed(Protocol):
    """Where fetched records come from."""

    def hold(self, partitions: Collection[Partition] | None) -> None:
        """Fetch nothing from just these partitions, None means from any; polling goes on."""
        ...


class _Flow:
    """One owned partition: its progress, its lanes, and how far it still goes once it is leaving."""

    __slots__ = ("begun", "gone", "lanes", "leaving", "limit", "long", "progress", "tasks", "unfinished")

    def __init__(self, position: int) -> None:
        self.progress = Progress(position)
        self.lanes: dict[Hashable, deque[Entry]] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.leaving = asyncio.Event()
        self.begun = -1  # the highest offset that a handler was given
        self.limit: float = float("inf")  # nothing after this offset is begun any more
        self.unfinished = 0
        self.long = False  # so much waits for one record that nothing more is fetched
        self.gone = False

    def stop_before(self, offset: int) -> None:
        """Begin nothing from this offset on: it would be repeated, for no commit can pass the offset."""
        self.limit = min(self.limit, offset - 1)


class LaneEngine:
    """Runs each record through `attempts`, one at a time per lane; `halt` is called when the ceiling is reached."""

    def __init__(
        self, lane_of: Callable[[Record], Hashable], window: int, attempts: Attempts, halt: Callable[[], None]
    ) -> None:
        self.feed: Feed | None = None
        self.in_flight = 0
        self._lane_of = lane_of
        self._window = window
        self._span = window * SPAN_IN_WINDOWS
        self._attempts = attempts
        self._halt = halt
        self._flows: dict[Partition, _Flow] = {}
        self.room = asyncio.Event()
        self.room.set()
        self._full = False
        self._paused = False
        self._open = asyncio.Event()
        self._open.set()

    @property
    def progress(self) -> Mapping[Partition, Progress]:
        """Return how far each partition is done."""
        return {partition: flow.progress for partition, flow in self._flows.items()}

    def accept(self, partition: Partition, fetched: Fetched) -> None:
        """Put each record at the end of its lane."""
        flow = self._flows.get(partition)
        if flow is None:
            flow = self._flows[partition] = _Flow(fetched[0].offset)
        if flow.leaving.is_set():
            return
        for raw in fetched:
            record = raw_record(raw)
            self._queue(flow, self._key(record), flow.progress.add(record.offset, record))
        flow.unfinished += len(fetched)
        self.in_flight += len(fetched)
        if self.in_flight >= self._window or len(flow.progress) >= self._span:
            self._regulate()

    async def finish(self, partitions: Collection[Partition], within: float) -> None:
        """Finish what was begun and what lies between; cancel what takes longer than `within` seconds."""
        flows = [self._flows[partition] for partition in partitions if partition in self._flows]
        for flow in flows:
            flow.limit = min(flow.limit, flow.begun)
            flow.leaving.set()
        self.room.set()
        running = {task for flow in flows for task in flow.tasks}
        if not running:
            return
        _, late = await asyncio.wait(running, timeout=within)
        if late:
            log.warning("drain_too_long", count=len(late), seconds=within)
            for task in late:
                task.cancel()
            await asyncio.wait(late, timeout=CANCEL_WITHIN)

    def forget(self, partitions: Collection[Partition]) -> None:
        """Drop what is left: the next owner handles it."""
        for partition in partitions:
            if (flow := self._flows.pop(partition, None)) is not None:
                flow.gone = True
                self.in_flight -= flow.unfinished
        self._regulate()

    def assigned(self) -> None:
        """Hold new partitions too where records are held."""
        self._regulate()

    def pause(self) -> None:
        """Begin no further record and fetch none; what was begun goes on."""
        self._paused = True
        self._open.clear()
        self._regulate()

    def resume(self) -> None:
        """Go on after a pause."""
        self._paused = False
        self._open.set()
        self._regulate()

    def _key(self, record: Record) -> Hashable:
        try:
            return self._lane_of(record)
        except Exception:  # the handler will meet the same flaw, and there it has its tries and its dead letter
            return record.key

    def _queue(self, flow: _Flow, key: Hashable, entry: Entry) -> None:
        lane = flow.lanes.get(key)
        if lane is not None:
            lane.append(entry)
            return
        flow.lanes[key] = lane = deque((entry,))
        task = asyncio.create_task(self._run(flow, key, lane))
        flow.tasks.add(task)
        task.add_done_callback(flow.tasks.discard)

    async def _run(self, flow: _Flow, key: Hashable, lane: deque[Entry]) -> None:
        entry = lane[0]
        try:
            while lane:
                entry = lane[0]
                if self._paused:
                    await self._opened(flow)
                if entry.offset > flow.limit:
                    return
                flow.begun = max(flow.begun, entry.offset)
                await self._attempts.finish(entry.record, flow.leaving)
                lane.popleft()
                self._finished(flow, entry)
            del flow.lanes[key]
        except LetGo:
            flow.stop_before(entry.offset)
        except CeilingReached:
            flow.stop_before(entry.offset)
            self._halt()
        except Exception:
            log.exception("lane_broken")
            flow.stop_before(entry.offset)
            self._halt()

    async def _opened(self, flow: _Flow) -> None:
        """Wait for the end of the pause; raises LetGo when the partition leaves first."""
        waits = Waits(flow.leaving)
        while self._paused:
            opened = asyncio.ensure_future(self._open.wait())
            leaving = asyncio.ensure_future(flow.leaving.wait())
            await asyncio.wait({opened, leaving}, return_when=asyncio.FIRST_COMPLETED)
            opened.cancel()
            leaving.cancel()
            await waits.for_seconds(0)

    def _finished(self, flow: _Flow, entry: Entry) -> None:
        flow.progress.finish(entry)
        if flow.gone:
            return
        flow.unfinished -= 1
        self.in_flight -= 1
        if (self._full and self.in_flight <= self._window // 2) or (
            flow.long and len(flow.progress) <= self._span // 2
        ):
            self._regulate()

    def _regulate(self) -> None:
        """Ask for no more while the window is full or a partition's span is too long; ask again at half of either."""
        if self.in_flight >= self._window:
            self._full = True
        elif self.in_flight <= self._window // 2:
            self._full = False
        for flow in self._flows.values():
            if len(flow.progress) >= self._span:
                flow.long = True
            elif len(flow.progress) <= self._span // 2:
                flow.long = False
        if self._full:
            self.room.clear()
            return
        self.room.set()
        if self.feed is not None:
            long = {partition for partition, flow in self._flows.items() if flow.long}
            self.feed.hold(None if self._paused else long)
