"""What a lane consumer runs side by side, waits for and lets go of, on the real broker."""

import asyncio

import pytest

from libs.kafka.bus import Bus, Outgoing
from libs.kafka.dead_letters import DeadLetterPolicy
from libs.kafka.errors import LetGo
from libs.kafka.membership import Membership
from libs.kafka.record import Record
from libs.runtime.errors import Outage
from tests.integration.kafka.conftest import Consume, MakeTopics, buried
from tests.support.waiting import eventually, stays


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
