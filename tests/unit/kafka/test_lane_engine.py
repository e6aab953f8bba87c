import asyncio
from collections.abc import Awaitable, Callable

from libs.kafka.attempts import Attempts
from libs.kafka.ceiling import Ceiling, CeilingWatch
from libs.kafka.dead_letters import Burial, DeadLetterPolicy
from libs.kafka.errors import Poison, Reason
from libs.kafka.group import _by_partition
from libs.kafka.lane_engine import LaneEngine
from libs.kafka.record import Record
from tests.support.waiting import eventually
from tests.unit.kafka.fakes import PARTITION, FakeClock, FakeFeed, FakePublisher, record


class Gate:
    """A handler whose records finish when they are told to."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self._doors: dict[int, asyncio.Event] = {}

    async def __call__(self, one: Record) -> None:
        """Wait for this record's door."""
        self.begun.append(one.offset)
        await self._doors.setdefault(one.offset, asyncio.Event()).wait()

    def open(self, *offsets: int) -> None:
        """Let these records finish."""
        for offset in offsets:
            self._doors.setdefault(offset, asyncio.Event()).set()


def make_engine(
    handle: Callable[[Record], Awaitable[object]], window: int = 10, halted: list[bool] | None = None
) -> LaneEngine:
    policy = DeadLetterPolicy(service="s", ceiling=Ceiling(from_count=0, share=0))
    clock = FakeClock()
    attempts = Attempts(
        handle, Burial(FakePublisher(), "g", policy), policy, CeilingWatch(policy.ceiling, clock), clock
    )
    engine = LaneEngine(lambda one: one.key, window, attempts, lambda: (halted or []).append(True))
    engine.feed = FakeFeed()
    return engine


async def test_the_position_waits_for_the_hole_and_then_jumps() -> None:
    gate = Gate()
    engine = make_engine(gate)
    engine.accept(PARTITION, [record(5, b"a"), record(6, b"b"), record(7, b"c")])
    gate.open(6, 7)
    await eventually(lambda: engine.in_flight == 1, "two are finished")
    assert engine.progress[PARTITION].position == 5
    gate.open(5)
    await eventually(lambda: engine.in_flight == 0, "the hole is filled")
    assert engine.progress[PARTITION].position == 8


async def test_a_drain_fills_holes_and_begins_nothing_behind_them() -> None:
    gate = Gate()
    engine = make_engine(gate)
    keys = [b"a", b"a", b"b", b"a"]  # the second waits behind the first, the third runs beside it
    engine.accept(PARTITION, [record(offset, key) for offset, key in enumerate(keys)])
    await eventually(lambda: gate.begun == [0, 2], "two lanes run")
    drain = asyncio.create_task(engine.finish([PARTITION], within=5))
    gate.open(0, 1, 2)
    await drain
    assert gate.begun == [0, 2, 1]
    assert engine.progress[PARTITION].position == 3
    engine.accept(PARTITION, [record(4, b"z")])
    engine.forget([PARTITION])
    assert (engine.in_flight, dict(engine.progress)) == (0, {})


async def test_a_late_finish_of_a_forgotten_partition_changes_nothing() -> None:
    release = asyncio.Event()

    async def stubborn(_: Record) -> None:
        try:
            await release.wait()
        except asyncio.CancelledError:
            await release.wait()

    engine = make_engine(stubborn)
    engine.accept(PARTITION, [record(0)])
    await asyncio.sleep(0)
    await engine.finish([PARTITION], within=0.01)
    engine.forget([PARTITION])
    engine.accept(PARTITION, [record(0)])
    release.set()
    await eventually(lambda: engine.in_flight == 0, "the new run of it")
    assert engine.progress[PARTITION].position == 1


async def test_the_window_closes_when_full_and_opens_at_half() -> None:
    gate = Gate()
    engine = make_engine(gate, window=4)
    engine.accept(PARTITION, [record(offset, b"%d" % offset) for offset in range(4)])
    assert not engine.room.is_set()
    gate.open(0)
    await eventually(lambda: engine.in_flight == 3, "one is finished")
    assert not engine.room.is_set()
    gate.open(1)
    await eventually(lambda: engine.room.is_set(), "room at half")
    gate.open(2, 3)
    await eventually(lambda: engine.in_flight == 0, "the end")


async def test_a_partition_held_up_by_one_record_is_fetched_no_further_while_others_are() -> None:
    gate = Gate()
    engine = make_engine(gate, window=4)
    feed = engine.feed
    assert isinstance(feed, FakeFeed)
    gate.open(*range(1, 60))
    for offset in range(40):
        engine.accept(PARTITION, [record(offset, b"%d" % offset)])
        await eventually(lambda: engine.in_flight == 1, "only the first is unfinished")
    assert feed.held == {PARTITION}
    assert engine.room.is_set()
    gate.open(0)
    await eventually(lambda: not feed.held, "it is fetched again")


async def test_what_cannot_be_sorted_into_a_lane_still_reaches_the_handler() -> None:
    seen: list[int] = []

    async def handle(one: Record) -> None:
        seen.append(one.offset)

    engine = make_engine(handle)
    engine._lane_of = lambda one: one.value.decode()  # type: ignore[union-attr]
    engine.accept(PARTITION, [record(0, value=None), record(1, value=b"\xff"), record(2)])
    await eventually(lambda: len(seen) == 3, "all of them")


async def test_after_the_ceiling_the_lane_stands_still() -> None:
    seen: list[int] = []
    halted: list[bool] = []

    async def broken(one: Record) -> None:
        seen.append(one.offset)
        raise Poison(Reason.REFUSED)

    engine = make_engine(broken, halted=halted)
    engine._halt = lambda: halted.append(True)
    engine.accept(PARTITION, [record(0), record(1)])
    await eventually(lambda: halted, "the halt")
    engine.accept(PARTITION, [record(2)])
    await asyncio.sleep(0)
    assert seen == [0]
    assert engine.progress[PARTITION].position == 0


def test_records_from_before_a_rebalance_are_dropped_where_they_come_again() -> None:
    fetched = [record(20), record(21), record(5, partition=1), record(10), record(11)]
    assert {where[1]: [one.offset for one in records] for where, records in _by_partition(fetched).items()} == {
        0: [10, 11],
        1: [5],
    }
