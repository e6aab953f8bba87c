"""What a batch consumer does with whole batches and with the one bad record among them, on the real broker."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from time import monotonic
from typing import Any

import pytest

from libs.kafka.batches import BatchConsumer, Rejected
from libs.kafka.broadcasts import BroadcastConsumer
from libs.kafka.bus import Bus, Outgoing
from libs.kafka.ceiling import Ceiling
from libs.kafka.dead_letters import DeadLetterPolicy
from libs.kafka.errors import Reason
from libs.kafka.membership import Membership
from libs.kafka.record import Record
from libs.kafka.subscription import FETCH_WAIT_MS, NOBODY_WAITS, UNHURRIED_WAIT_MS, FetchSettings
from libs.runtime.errors import Outage
from tests.integration.kafka.conftest import GROUP, QUICK, MakeTopics, buried
from tests.support.waiting import eventually, stays

Handle = Callable[[Sequence[Record]], Awaitable[Sequence[Rejected] | None]]
Consume = Callable[..., Awaitable[BatchConsumer]]


@pytest.fixture
async def consume(bus: Bus) -> AsyncIterator[Consume]:
    """Start batch consumers, stopped at the test's end."""
    consumers: list[BatchConsumer] = []

    async def start(topics: list[str], handle: Handle, **more: Any) -> BatchConsumer:
        settings: dict[str, Any] = {"dead_letters": QUICK} | more
        consumers.append(BatchConsumer(bus, topics=topics, group=GROUP, handle=handle, **settings))
        await consumers[-1].start()
        await consumers[-1].joined()
        return consumers[-1]

    yield start
    for consumer in consumers:
        await consumer.stop()


def numbered(topic: str, count: int) -> list[Outgoing]:
    """Return records `0` to `count - 1`."""
    return [Outgoing(topic, b"%d" % number, b"%d" % number) for number in range(count)]


async def test_what_waits_comes_as_one_batch_in_the_order_of_each_partition(
    bus: Bus, make_topics: MakeTopics, consume: Consume
) -> None:
    [topic] = await make_topics(partitions=2)
    await bus.publish_many([Outgoing(topic, b"%d" % (number % 9), b"%d" % number) for number in range(1200)])
    batches: list[Sequence[Record]] = []

    async def handle(records: Sequence[Record]) -> None:
        batches.append(records)

    consumer = await consume([topic], handle)
    await eventually(lambda: sum(map(len, batches)) == 1200, "all records")
    assert max(map(len, batches)) == 500
    for partition in range(2):
        offsets = [record.offset for batch in batches for record in batch if record.partition == partition]
        assert offsets == list(range(len(offsets)))
    await eventually(lambda: not any(consumer.lag().values()), "everything is finished")


async def test_rejected_records_are_buried_and_their_siblings_go_on(
    bus: Bus, make_topics: MakeTopics, consume: Consume
) -> None:
    [topic] = await make_topics()
    done: list[bytes | None] = []

    async def handle(records: Sequence[Record]) -> Sequence[Rejected]:
        bad = [record for record in records if record.value == b"3"]
        done.extend(record.value for record in records if record not in bad)
        return [Rejected(record, Reason.UNKNOWN_TYPE, "type New.v9 is not known") for record in bad]

    await consume([topic], handle)
    await bus.publish_many(numbered(topic, 6))
    await eventually(lambda: len(done) == 5, "the siblings")
    [letter] = await eventually(lambda: buried(bus, topic), "the dead letter")
    assert (letter.reason, letter.error, letter.record.value) == ("unknown_type", "type New.v9 is not known", b"3")


async def test_a_bug_with_one_record_buries_that_record_alone(
    bus: Bus, make_topics: MakeTopics, consume: Consume
) -> None:
    [topic] = await make_topics()
    await bus.publish_many(numbered(topic, 300))
    done: set[bytes | None] = set()
    alone = 0

    async def handle(records: Sequence[Record]) -> None:
        nonlocal alone
        if any(record.value == b"137" for record in records):
            alone += len(records) == 1
            raise KeyError("137")
        done.update(record.value for record in records)

    await consume([topic], handle)
    await eventually(lambda: len(done) == 299, "all others")
    [letter] = await eventually(lambda: buried(bus, topic), "the dead letter")
    assert letter.record.value == b"137"
    assert (letter.reason, letter.attempts, alone) == ("handler_failed", 5, 5)


async def test_an_outage_holds_the_batch_and_buries_nothing(
    bus: Bus, make_topics: MakeTopics, consume: Consume
) -> None:
    [topic] = await make_topics()
    done: list[bytes | None] = []
    tries = 0

    async def handle(records: Sequence[Record]) -> None:
        nonlocal tries
        tries += 1
        if tries <= 3:
            raise Outage("away")
        done.extend(record.value for record in records)

    consumer = await consume([topic], handle)
    await bus.publish_many(numbered(topic, 10))
    await eventually(lambda: len(done) == 10, "the end of the outage")
    assert await buried(bus, topic) == []
    assert consumer.in_flight == 0


async def test_a_bad_deploy_stops_before_the_bin_is_full_and_nothing_is_skipped(
    bus: Bus, make_topics: MakeTopics, consume: Consume
) -> None:
    [topic] = await make_topics(partitions=1)
    await bus.publish_many(numbered(topic, 50))

    async def broken(records: Sequence[Record]) -> Sequence[Rejected]:
        return [Rejected(record, Reason.REFUSED) for record in records]

    policy = DeadLetterPolicy(service="test", ceiling=Ceiling(from_count=4))
    consumer = await consume([topic], broken, dead_letters=policy)
    await eventually(lambda: consumer.halted, "the halt")
    await consumer.stop()
    assert len(await buried(bus, topic)) == 4
    done: list[bytes | None] = []

    async def mended(records: Sequence[Record]) -> None:
        done.extend(record.value for record in records)

    await consume([topic], mended)
    await eventually(lambda: len(done) == 50, "the whole batch again")


async def test_a_stop_finishes_the_batch_under_way_and_begins_no_other(
    bus: Bus, make_topics: MakeTopics, consume: Consume
) -> None:
    [topic] = await make_topics(partitions=1)
    begun, release = asyncio.Event(), asyncio.Event()
    done: list[bytes | None] = []

    async def slow(records: Sequence[Record]) -> None:
        begun.set()
        await release.wait()
        done.extend(record.value for record in records)

    async def on_revoke(_: object) -> None:
        release.set()

    consumer = await consume([topic], slow, membership=Membership(on_revoke=on_revoke))
    await bus.publish_many(numbered(topic, 5))
    await begun.wait()
    first = consumer.in_flight
    await bus.publish_many(numbered(topic, 5))
    await eventually(lambda: consumer.in_flight == first + 5, "the next batch waits")
    await consumer.stop()
    assert len(done) == first
    await consume([topic], slow)
    await eventually(lambda: len(done) == 10, "the rest, once")


async def test_every_process_hears_a_broadcast_from_its_own_start_on(bus: Bus, make_topics: MakeTopics) -> None:
    [topic] = await make_topics()
    await bus.publish_many(numbered(topic, 5))
    heard: list[list[bytes | None]] = [[], []]

    def hear(number: int) -> Callable[[Record], Awaitable[None]]:
        async def handle(record: Record) -> None:
            heard[number].append(record.value)
            if record.value == b"bad":
                raise ValueError

        return handle

    consumers = [BroadcastConsumer(bus, topics=[topic], handle=hear(number)) for number in range(2)]
    for consumer in consumers:
        await consumer.start()
        await consumer.joined()
        assert await consumer.healthy()
    for value in (b"bad", b"good"):
        await bus.publish(topic, key=b"k", value=value)
    await eventually(lambda: heard == [[b"bad", b"good"]] * 2, "both heard both")
    await stays(lambda: heard == [[b"bad", b"good"]] * 2, "nothing of before", 0.2)
    for consumer in consumers:
        await consumer.stop()


async def test_a_change_soon_after_another_is_heard_as_soon_as_it_is_told(bus: Bus, make_topics: MakeTopics) -> None:
    """Were they gathered, somebody's next message would overtake what they have just changed."""
    [topic] = await make_topics()
    heard: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def hear(record: Record) -> None:
        heard.put_nowait(record.value)

    consumer = BroadcastConsumer(bus, topics=[topic], handle=hear)
    await consumer.start()
    await consumer.joined()
    took = []
    for value in (b"%d" % count for count in range(20)):
        began = monotonic()
        await bus.publish(topic, key=b"k", value=value)
        assert await asyncio.wait_for(heard.get(), 10) == value
        took.append(monotonic() - began)
    assert sorted(took)[10] < 0.04
    await consumer.stop()


async def trickled(
    bus: Bus, make_topics: MakeTopics, consume: Consume, fetch: FetchSettings, count: int
) -> tuple[int, float]:
    """Publish a record, and once it is read the others one by one; -> how many batches came, and in how many seconds
    those of the others.
    """
    topics = await make_topics()
    batches: list[list[bytes]] = []

    async def take(records: Sequence[Record]) -> Sequence[Rejected]:
        batches.append([record.value or b"" for record in records])
        return []

    await consume(topics, take, membership=Membership(fetch=fetch))
    first, *others = numbered(topics[0], count)
    await bus.publish_many([first])
    await eventually(lambda: batches, "it reads")
    began = monotonic()
    for record in others:
        await bus.publish_many([record])
    await eventually(lambda: sum(map(len, batches)) == count, "all were taken")
    return len(batches), monotonic() - began


async def test_what_does_not_hurry_is_fetched_together(bus: Bus, make_topics: MakeTopics, consume: Consume) -> None:
    batches, seconds = await trickled(bus, make_topics, consume, NOBODY_WAITS, 21)
    most = 3 + seconds * 1000 / FETCH_WAIT_MS
    assert batches <= most, "an answer of the broker's each half second, not one for each record"


async def test_records_that_follow_one_another_come_soon_although_the_broker_gathers_them(
    bus: Bus, make_topics: MakeTopics, consume: Consume
) -> None:
    """A fetch that is held asks for far more than these: only its own short time brings them."""
    fetch = FetchSettings(gather_ms=20, wait_ms=UNHURRIED_WAIT_MS)
    batches, seconds = await trickled(bus, make_topics, consume, fetch, 41)
    assert seconds < UNHURRIED_WAIT_MS / 1000
    assert batches < 41, "some came together"
