"""Writing to the real broker: acknowledgements, order, sizes, refusals, and who owns which partitions."""

import asyncio
from collections import defaultdict

import pytest
from aiokafka.partitioner import DefaultPartitioner  # type: ignore[import-untyped]

from libs.kafka.batches import BatchConsumer
from libs.kafka.bus import Bus, BusUnavailable, Outgoing, RecordRefused
from libs.kafka.dead_letters import DeadLetterPolicy
from libs.kafka.lanes import LaneConsumer
from libs.kafka.membership import Membership
from libs.kafka.producer import MAX_REQUEST_BYTES
from libs.kafka.record import Record
from libs.kafka.subscription import FetchSettings
from tests.integration.kafka.conftest import GROUP, MakeBus, MakeTopics
from tests.support.waiting import eventually, stays

QUICK = DeadLetterPolicy(service="test")
FAST_NEWS = FetchSettings(heartbeat_interval_ms=200)  # the answer to a heartbeat tells of a rebalance


async def read_all(bus: Bus, topic: str, count: int) -> list[Record]:
    """Return the topic's records, which must be just so many."""
    seen: list[Record] = []

    async def handle(record: Record) -> None:
        seen.append(record)

    consumer = LaneConsumer(bus, topics=[topic], group=GROUP, lane_of=lambda _: None, handle=handle, dead_letters=QUICK)
    await consumer.start()
    try:
        await eventually(lambda: len(seen) >= count, f"{count} records")
    finally:
        await consumer.stop()
    assert len(seen) == count
    return seen


async def test_keys_go_to_the_partition_that_every_kafka_client_reckons(bus: Bus, make_topics: MakeTopics) -> None:
    [topic] = await make_topics(partitions=7)
    keys = [b"key-%d" % number for number in range(40)]
    await bus.publish_many([Outgoing(topic, key, b"many") for key in keys])
    for key in keys:
        await bus.publish(topic, key=key, value=b"one")
    await bus.publish(topic, key=None, value=b"anywhere")
    for record in await read_all(bus, topic, 81):
        if record.key is not None:
            assert record.partition == DefaultPartitioner()(record.key, list(range(7)), list(range(7)))


async def test_many_records_keep_their_order_per_partition_whatever_their_sizes(
    bus: Bus, make_topics: MakeTopics
) -> None:
    [topic] = await make_topics(max_bytes=2 << 20)
    sizes = [10, 70_000, 500, 200_000, 65_536, 0]  # below, at and above what fits one batch
    records = [
        Outgoing(topic, b"%d" % (number % 5), b"%06d" % number + b"x" * sizes[number % len(sizes)], [("n", b"1")])
        for number in range(300)
    ]
    await asyncio.gather(bus.publish_many(records[:150]), bus.publish(topic, key=b"own", value=b"999999"))
    await bus.publish_many(records[150:])
    order = defaultdict(list)
    for record in await read_all(bus, topic, 301):
        order[record.key].append(int((record.value or b"")[:6]))
    assert all(numbers == sorted(numbers) for numbers in order.values())


async def test_the_largest_record_goes_through_whole(bus: Bus, make_topics: MakeTopics) -> None:
    [topic] = await make_topics(max_bytes=5 << 20)
    value = bytes(range(256)) * (4 * 4096)
    await bus.publish(topic, key=b"k", value=value)
    await bus.publish(topic, key=b"k", value=b"next")
    assert [record.value for record in await read_all(bus, topic, 2)] == [value, b"next"]


async def test_a_record_that_is_too_large_is_refused_before_anything_is_sent(bus: Bus, make_topics: MakeTopics) -> None:
    [topic] = await make_topics()
    large = Outgoing(topic, b"k", b"x" * MAX_REQUEST_BYTES)
    with pytest.raises(RecordRefused, match="larger than"):
        await bus.publish(topic, key=b"k", value=large.value)
    with pytest.raises(RecordRefused, match="larger than"):
        await bus.publish_many([Outgoing(topic, b"k", b"small"), large])
    await bus.publish(topic, key=b"k", value=b"fine")
    await read_all(bus, topic, 1)


async def test_after_a_record_that_the_broker_refused_the_partition_takes_the_next_ones(
    bus: Bus, make_topics: MakeTopics
) -> None:
    [topic] = await make_topics(partitions=1, max_bytes=100_000)
    await bus.publish(topic, key=b"k", value=b"before")
    with pytest.raises(RecordRefused, match="MessageSizeTooLargeError"):
        await bus.publish(topic, key=b"k", value=b"x" * 200_000)
    await bus.publish(topic, key=b"k", value=b"between")
    with pytest.raises(RecordRefused, match="MessageSizeTooLargeError"):
        await bus.publish_many([Outgoing(topic, b"k", b"x" * 200_000)])
    await bus.publish_many([Outgoing(topic, b"k", b"after")])
    records = await read_all(bus, topic, 3)
    assert [record.value for record in records] == [b"before", b"between", b"after"]


async def test_neighbours_of_a_refused_record_are_written_by_their_own_callers(
    bus: Bus, make_topics: MakeTopics
) -> None:
    [topic] = await make_topics(partitions=1, max_bytes=100_000)
    calls = [bus.publish(topic, key=b"k", value=b"x" * 200_000)]
    calls += [bus.publish(topic, key=b"k", value=b"%d" % number) for number in range(50)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(results[0], RecordRefused)
    assert results[1:] == [None] * 50
    assert {record.value for record in await read_all(bus, topic, 50)} == {b"%d" % number for number in range(50)}


async def test_a_bus_whose_broker_is_away_starts_and_says_so(make_bus: MakeBus) -> None:
    bus = await make_bus("127.0.0.1:1")
    assert not await bus.reachable()
    with pytest.raises(BusUnavailable):
        await bus.publish("any", key=b"k", value=b"v", timeout=0.2)
    with pytest.raises(BusUnavailable):
        await bus.publish_many([Outgoing("any", b"k", b"v")], timeout=0.2)


async def test_a_topic_that_does_not_exist_is_an_outage_not_a_hang(bus: Bus) -> None:
    with pytest.raises(BusUnavailable):
        await bus.publish("no-such-topic", key=b"k", value=b"v", timeout=0.5)
    assert await bus.reachable()


async def test_a_consumer_waits_for_topics_that_are_missing_or_not_aligned(bus: Bus, make_topics: MakeTopics) -> None:
    uneven = [*await make_topics(partitions=2), *await make_topics(partitions=3)]

    async def handle(_: object) -> None:
        return None

    missing = BatchConsumer(bus, topics=["no-such-topic"], group=GROUP, handle=handle, dead_letters=QUICK)
    unaligned = BatchConsumer(
        bus, topics=uneven, group=GROUP, handle=handle, dead_letters=QUICK, membership=Membership(aligned=True)
    )
    for consumer in (missing, unaligned):
        await consumer.start()
    await stays(lambda: not missing.owned and not unaligned.owned, "nothing is consumed", 0.5)
    for consumer in (missing, unaligned):
        assert not await consumer.healthy()
        await consumer.stop()


async def test_partitions_of_the_same_number_are_always_at_the_same_member(
    make_bus: MakeBus, make_topics: MakeTopics
) -> None:
    topics = await make_topics(2, partitions=8)
    assignments: list[frozenset[tuple[str, int]]] = []
    consumers: list[LaneConsumer] = []

    async def handle(_: Record) -> None:
        return None

    async def remember(owned: frozenset[tuple[str, int]]) -> None:
        assignments.append(owned)

    def settled(members: list[LaneConsumer]) -> bool:
        shared = sorted(partition for member in members for partition in member.owned)
        everything = sorted((topic, number) for topic in topics for number in range(8))
        return shared == everything and all(member.owned for member in members)

    for count in (1, 2, 3):
        consumers.append(
            LaneConsumer(
                await make_bus(),
                topics=topics,
                group=GROUP,
                lane_of=lambda record: record.key,
                handle=handle,
                dead_letters=QUICK,
                membership=Membership(fetch=FAST_NEWS, aligned=True, on_assign=remember),
            )
        )
        await consumers[-1].start()
        await eventually(lambda: settled(consumers), f"{count} members share all partitions")
    await consumers.pop(0).stop()
    await eventually(lambda: settled(consumers), "two members share all partitions")
    for owned in assignments:
        numbers = [{number for topic, number in owned if topic == one} for one in topics]
        assert numbers[0] == numbers[1]
    for consumer in consumers:
        await consumer.stop()
