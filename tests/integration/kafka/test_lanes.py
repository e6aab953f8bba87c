"""What a lane consumer does with records that fail, wait or cannot be read, on the real broker."""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiokafka.record.util import calc_crc32c  # type: ignore[import-untyped]

from libs.events.topics import dead_letter_topic
from libs.kafka.bus import Bus, Outgoing
from libs.kafka.ceiling import Ceiling
from libs.kafka.dead_letter_reader import DeadLetter, DeadLetterReader, replay
from libs.kafka.dead_letters import DeadLetterPolicy
from libs.kafka.errors import LetGo, Poison, Reason
from libs.kafka.lanes import LaneConsumer
from libs.kafka.membership import Membership
from libs.kafka.record import Record
from libs.runtime.errors import Outage
from tests.integration.kafka.conftest import GROUP, MakeBus, MakeTopics
from tests.support.waiting import eventually, stays

Handle = Callable[[Record], Awaitable[object]]
Consume = Callable[..., Awaitable[LaneConsumer]]
CHECKSUM_AT = 17  # of a record batch of format 2, over all that follows
QUICK = DeadLetterPolicy(service="test", first_wait=0.01)


@pytest.fixture
async def consume(bus: Bus) -> AsyncIterator[Consume]:
    """Start lane consumers with a lane per key, stopped at the test's end."""
    consumers: list[LaneConsumer] = []

    async def start(topics: list[str], handle: Handle, **more: Any) -> LaneConsumer:
        settings: dict[str, Any] = {"dead_letters": QUICK, "lane_of": lambda record: record.key} | more
        consumers.append(LaneConsumer(bus, topics=topics, group=GROUP, handle=handle, **settings))
        await consumers[-1].start()
        await consumers[-1].joined()
        return consumers[-1]

    yield start
    for consumer in consumers:
        await consumer.stop()


async def buried(bus: Bus, topic: str) -> list[DeadLetter]:
    """Return the dead letters of the topic, oldest first."""
    async with DeadLetterReader(bus) as reader:
        return list(reversed(await reader.list([dead_letter_topic(topic, GROUP)])))


async def write_with_header_name(bus: Bus, topic: str, values: list[bytes], name: bytes) -> None:
    """Write one batch whose records have a header of this name of two bytes, as clients in other languages can."""
    producer = await bus._producer.ready()
    batch = producer.create_batch()
    for value in values:
        batch.append(timestamp=None, key=b"k", value=value, headers=[("QQ", b"v")])
    build = batch._build

    def build_otherwise() -> bytearray:
        data = bytearray(build()).replace(b"QQ", name)
        struct.pack_into(">I", data, CHECKSUM_AT, calc_crc32c(memoryview(data)[CHECKSUM_AT + 4 :]))
        return data

    batch._build = build_otherwise
    await (await producer.send_batch(batch, topic, partition=0))


async def test_headers_that_are_null_or_not_utf8_drop_neither_their_record_nor_its_neighbours(
    bus: Bus, make_topics: MakeTopics, consume: Consume
) -> None:
    [topic] = await make_topics(partitions=1)
    odd = [("absent", None), ("latin", b"\xe9t\xe9"), ("plain", b"text")]
    await bus.publish_many([Outgoing(topic, b"k", b"%d" % number, odd if number == 1 else ()) for number in range(3)])
    seen: list[Record] = []

    async def handle(record: Record) -> None:
        seen.append(record)

    await consume([topic], handle)
    await eventually(lambda: len(seen) == 3, "all three")
    assert [record.value for record in seen] == [b"0", b"1", b"2"]
    assert seen[1].headers == tuple(odd)
    assert [seen[1].header(name) for name in ("absent", "latin", "plain", "none")] == [None, None, "text", None]


async def test_a_header_name_that_is_not_utf8_loses_neither_its_record_nor_its_neighbours(
    make_bus: MakeBus, make_topics: MakeTopics, consume: Consume
) -> None:
    [topic] = await make_topics(partitions=1)
    bus = await make_bus()
    await bus.publish(topic, key=b"k", value=b"0")
    await write_with_header_name(bus, topic, [b"1", b"2", b"3"], b"\xff\xfe")
    await bus.publish(topic, key=b"k", value=b"4")
    seen: list[Record] = []

    async def handle(record: Record) -> None:
        seen.append(record)

    await consume([topic], handle)
    await eventually(lambda: len(seen) == 5, "all five")
    assert [record.value for record in seen] == [b"0", b"1", b"2", b"3", b"4"]
    assert seen[2].headers == (("\\xff\\xfe", b"v"),)


async def test_a_raising_handler_gets_its_tries_and_then_the_record_is_buried_with_its_story(
    bus: Bus, make_topics: MakeTopics, consume: Consume
) -> None:
    [topic] = await make_topics()
    seen: list[bytes | None] = []
    failed: list[Record] = []

    async def handle(record: Record) -> None:
        seen.append(record.value)
        if record.value == b"bad":
            raise ValueError("secret text 4915112345678")

    async def mark_failed(record: Record) -> None:
        failed.append(record)

    policy = DeadLetterPolicy(service="sender", first_wait=0.01, on_dead_letter=mark_failed)
    consumer = await consume([topic], handle, dead_letters=policy)
    headers = [("ce_type", b"MessageDue.v1"), ("odd", b"\xff"), ("empty", None)]
    await bus.publish_many([Outgoing(topic, b"k", b"bad", headers), Outgoing(topic, b"k", b"good")])
    await eventually(lambda: b"good" in seen, "the record behind")
    assert seen == [b"bad"] * 5 + [b"good"]
    [letter] = await buried(bus, topic)
    assert letter.record.key == b"k"
    assert letter.record.headers[:3] == tuple(headers)
    assert (letter.reason, letter.attempts, letter.service, letter.schema) == (
        "handler_failed", 5, "sender", "MessageDue.v1",
    )  # fmt: skip
    assert (letter.topic, letter.offset, letter.group) == (topic, 0, GROUP)
    assert letter.error.startswith("ValueError at ")
    assert "secret" not in letter.error
    assert [record.offset for record in failed] == [0]
    await eventually(lambda: not any(consumer.lag().values()), "everything is finished")


async def test_poison_is_buried_at_once_and_comes_back_byte_for_byte_when_replayed(
    bus: Bus, make_topics: MakeTopics, consume: Consume
) -> None:
    [topic] = await make_topics()
    seen: list[Record] = []
    fixed = False

    async def handle(record: Record) -> None:
        seen.append(record)
        if not fixed:
            raise Poison(Reason.UNREADABLE, "field to: +4915112345678 is not a contact")

    await consume([topic], handle)
    headers = [("ce_id", b"1"), ("empty", None)]
    await bus.publish(topic, key=b"k", value=b"\x00\xff", headers=headers)
    [letter] = await eventually(lambda: buried(bus, topic), "the dead letter")
    assert (letter.reason, letter.attempts, letter.error) == ("unreadable", 1, "field to: […] is not a contact")
    async with DeadLetterReader(bus) as reader:
        dead_topic = dead_letter_topic(topic, GROUP)
        assert dead_topic in await reader.topics()
        assert await reader.show(dead_topic, 0, letter.record.offset) == letter
        assert await reader.show(dead_topic, 0, 99) is None
        assert await reader.show(dead_topic, 7, 0) is None
    fixed = True
    await replay(bus, letter)
    await eventually(lambda: len(seen) == 2, "the replayed record")
    assert (seen[1].key, seen[1].value, seen[1].headers) == (b"k", b"\x00\xff", tuple(headers))


async def test_an_outage_is_waited_out_without_counting_tries_while_other_lanes_go_on(
    bus: Bus, make_topics: MakeTopics, consume: Consume
) -> None:
    [topic] = await make_topics()
    seen: list[tuple[bytes | None, bytes | None]] = []
    tries = 0

    async def handle(record: Record) -> None:
        nonlocal tries
        if record.key == b"down" and tries < 4:
            tries += 1
            raise Outage("the database is away")
        seen.append((record.key, record.value))

    await consume([topic], handle, dead_letters=DeadLetterPolicy(service="test", tries=2))
    keys = [b"down", b"down", b"up"]
    await bus.publish_many([Outgoing(topic, key, b"%d" % number) for number, key in enumerate(keys)])
    await eventually(lambda: (b"up", b"2") in seen, "the other lane")
    assert tries < 4
    await eventually(lambda: len(seen) == 3, "the end of the outage")
    assert [value for key, value in seen if key == b"down"] == [b"0", b"1"]
    assert await buried(bus, topic) == []


async def test_one_lane_runs_one_record_at_a_time_and_lanes_run_side_by_side(
    bus: Bus, make_topics: MakeTopics, consume: Consume
) -> None:
    [topic] = await make_topics(partitions=1)
    running: list[bytes | None] = []
    together = 0
    release = asyncio.Event()

    async def handle(record: Record) -> None:
        nonlocal together
        assert record.key not in running
        running.append(record.key)
        together = max(together, len(running))
        await release.wait()
        running.remove(record.key)

    consumer = await consume([topic], handle)
    await bus.publish_many([Outgoing(topic, b"%d" % (number % 5), b"") for number in range(20)])
    await eventually(lambda: len(running) == 5, "all five lanes run")
    assert consumer.in_flight == 20
    release.set()
    await eventually(lambda: consumer.in_flight == 0, "the end")
    assert together == 5
    assert await buried(bus, topic) == []


async def test_no_more_than_the_window_and_a_batch_are_in_flight_and_the_rest_comes_later(
    bus: Bus, make_topics: MakeTopics, consume: Consume
) -> None:
    [topic] = await make_topics()
    release, seen = asyncio.Event(), 0

    async def handle(_: Record) -> None:
        nonlocal seen
        await release.wait()
        seen += 1

    consumer = await consume([topic], handle, window=100)
    await bus.publish_many([Outgoing(topic, b"%d" % number, b"") for number in range(3000)])
    await eventually(lambda: consumer.in_flight >= 100, "a full window")
    await stays(lambda: consumer.in_flight <= 600, "the window holds", 2.0)  # beyond the wait before the pause
    release.set()
    await eventually(lambda: seen == 3000, "all of them")


async def test_a_pause_begins_nothing_and_keeps_the_member(bus: Bus, make_topics: MakeTopics, consume: Consume) -> None:
    [topic] = await make_topics()
    seen: list[Record] = []

    async def handle(record: Record) -> None:
        seen.append(record)

    consumer = await consume([topic], handle)
    owned = consumer.owned
    consumer.pause()
    await bus.publish(topic, key=b"k", value=b"v")
    await stays(lambda: not seen, "nothing begins", 0.5)
    consumer.resume()
    await eventually(lambda: len(seen) == 1, "the record after the pause")
    assert consumer.owned == owned


async def test_too_many_dead_letters_stop_the_consumer_and_leave_the_rest_where_it_is(
    bus: Bus, make_topics: MakeTopics, consume: Consume
) -> None:
    [topic] = await make_topics(partitions=1)

    async def broken(_: Record) -> None:
        raise Poison(Reason.REFUSED, "a bad deploy")

    policy = DeadLetterPolicy(service="test", ceiling=Ceiling(share=0.5, from_count=3, per_minute=100))
    consumer = await consume([topic], broken, dead_letters=policy)
    assert await consumer.healthy()
    await bus.publish_many([Outgoing(topic, b"k", b"%d" % number) for number in range(20)])
    await eventually(lambda: consumer.halted, "the halt")
    assert not await consumer.healthy()
    await consumer.stop()
    assert len(await buried(bus, topic)) == 3
    seen: list[bytes | None] = []

    async def mended(record: Record) -> None:
        seen.append(record.value)

    await consume([topic], mended)
    await eventually(lambda: len(seen) == 17, "what the bad deploy left")
    assert seen == [b"%d" % number for number in range(3, 20)]


async def test_a_stop_finishes_what_was_begun_and_leaves_what_only_waits(
    bus: Bus, make_topics: MakeTopics, consume: Consume
) -> None:
    [topic] = await make_topics(partitions=1)
    finished: list[bytes | None] = []
    begun, release, leaving = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def handle(record: Record) -> None:
        if record.key == b"waits":
            await leaving.wait()
            raise LetGo
        begun.set()
        await release.wait()
        finished.append(record.value)

    async def on_revoke(_: object) -> None:
        leaving.set()
        release.set()

    consumer = await consume([topic], handle, membership=Membership(on_revoke=on_revoke))
    records = [(b"works", b"0"), (b"waits", b"1"), (b"works", b"2"), (b"works", b"3")]
    await bus.publish_many([Outgoing(topic, key, value) for key, value in records])
    await begun.wait()
    await eventually(lambda: consumer.in_flight == 4, "all are here")
    await consumer.stop()
    assert finished == [b"0"]
    later: list[bytes | None] = []

    async def next_owner(record: Record) -> None:
        later.append(record.value)

    await consume([topic], next_owner)
    await eventually(lambda: len(later) == 3, "the rest")
    assert sorted(str(value) for value in later) == ["b'1'", "b'2'", "b'3'"]


async def test_a_handler_that_outlasts_the_drain_is_cancelled_and_its_record_is_not_committed(
    bus: Bus, make_topics: MakeTopics, consume: Consume
) -> None:
    [topic] = await make_topics(partitions=1)
    begun = asyncio.Event()

    async def hangs(record: Record) -> None:
        if record.value == b"0":
            begun.set()
            await asyncio.Event().wait()

    consumer = await consume([topic], hangs, membership=Membership(drain_within=0.2))
    await bus.publish_many([Outgoing(topic, b"%d" % number, b"%d" % number) for number in range(3)])
    await begun.wait()
    await eventually(lambda: consumer.in_flight == 1, "the others are done")
    await consumer.stop()
    later: list[bytes | None] = []

    async def next_owner(record: Record) -> None:
        later.append(record.value)

    await consume([topic], next_owner)
    await eventually(lambda: len(later) == 3, "the record and what was behind it")
    assert sorted(later, key=str) == [b"0", b"1", b"2"]


@pytest.mark.parametrize("part", ["coordination", "fetching"])
async def test_a_consumer_that_ends_by_itself_joins_again(
    part: str, bus: Bus, make_topics: MakeTopics, consume: Consume
) -> None:
    [topic] = await make_topics()
    seen: list[bytes | None] = []

    async def handle(record: Record) -> None:
        seen.append(record.value)

    consumer = await consume([topic], handle)
    await bus.publish(topic, key=b"k", value=b"before")
    await eventually(lambda: seen == [b"before"], "the first record")
    client = consumer._member._subscriber.consumer
    assert client is not None
    # What a cancellation inside aiokafka does to it; no outside fault brings it about at will.
    task = client._coordinator._coordination_task if part == "coordination" else client._fetcher._fetch_task
    task.cancel()
    await eventually(lambda: consumer._member._subscriber.consumer not in (client, None), "a new consumer")
    await bus.publish(topic, key=b"k", value=b"after")
    await eventually(lambda: seen[-1] == b"after", "the record after")
    assert await consumer.healthy()
