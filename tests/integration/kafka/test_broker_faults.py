"""Cut connections, a broker that says nothing, restarts and dies: nothing is lost, and nothing is written twice."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer  # type: ignore[import-untyped]

from libs.kafka.bus import Bus, BusUnavailable, Outgoing
from libs.kafka.connection import KafkaConnection
from tests.integration.kafka.conftest import GROUP, new_topics
from tests.support.members import Crowd, Ledger
from tests.support.proxied_kafka import Proxy, RestartableKafka, proxied_kafka
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

CUTS = 15
WINDOWS_AND_BATCHES = 2 * 800  # what two members may have in flight
Faulty = tuple[str, Proxy, RestartableKafka]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def faulty(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Faulty]:
    """A broker of this module's own behind a proxy."""
    async with proxied_kafka(tmp_path_factory.mktemp("faulty")) as running:
        yield running


async def count_values(bootstrap: str, topic: str) -> Counter[bytes]:
    """Return how often each value stands in the topic."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    found: Counter[bytes] = Counter()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        while sum(found.values()) < sum(ends.values()):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found.update(record.value for record in records)
    finally:
        await consumer.stop()
    return found


async def test_cut_connections_lose_and_repeat_nothing_that_is_written(faulty: Faulty) -> None:
    bootstrap, proxy, _ = faulty
    [topic] = await new_topics(bootstrap)
    bus = Bus(KafkaConnection(bootstrap), "test")
    await bus.start()
    written = 0

    async def write_singly(writer: int) -> None:
        for number in range(400):
            await bus.publish(topic, key=b"%d" % number, value=b"%d-%d" % (writer, number))

    async def write_many() -> None:
        for start in range(0, 5000, 100):
            await bus.publish_many([Outgoing(topic, b"%d" % n, b"many-%d" % n) for n in range(start, start + 100)])

    async def cut() -> None:
        for _ in range(CUTS):
            before = proxy.connections
            await asyncio.sleep(random.uniform(0.02, 0.12))  # cuts come at no particular moment
            proxy.cut()
            await eventually(partial(_connected_since, proxy, before), "a new connection")

    async with asyncio.TaskGroup() as group:
        for writer in range(8):
            group.create_task(write_singly(writer))
        group.create_task(write_many())
        group.create_task(cut())
    written = 8 * 400 + 5000
    await bus.stop()
    found = await count_values(bootstrap, topic)
    assert len(found) == written
    assert found.total() == written


async def test_while_the_broker_is_silent_callers_get_their_deadline_and_afterwards_all_is_well(
    faulty: Faulty,
) -> None:
    bootstrap, proxy, _ = faulty
    [topic] = await new_topics(bootstrap)
    bus = Bus(KafkaConnection(bootstrap), "test", request_timeout_ms=2_000)
    await bus.start()
    await bus.publish(topic, key=b"k", value=b"before")
    proxy.freeze()
    assert not await bus.reachable()
    with pytest.raises(BusUnavailable):
        await bus.publish(topic, key=b"k", value=b"promised to nobody", timeout=0.5)
    proxy.thaw()
    await bus.publish(topic, key=b"k", value=b"after", timeout=20)
    await proxy.close()
    waiting = asyncio.create_task(bus.publish(topic, key=b"k", value=b"waited", timeout=30))
    await eventually(lambda: _unreachable(bus), "the bus notices")
    await proxy.open()
    await waiting
    found = await count_values(bootstrap, topic)
    assert (found[b"before"], found[b"after"], found[b"waited"]) == (1, 1, 1)
    await bus.stop()


def _connected_since(proxy: Proxy, connections: int) -> bool:
    return proxy.connections > connections


async def _unreachable(bus: Bus) -> bool:
    return not await bus.reachable()


async def test_a_broker_that_restarts_finds_its_consumers_and_producers_at_work(faulty: Faulty, tmp_path: Path) -> None:
    bootstrap, _, broker = faulty
    topics = await new_topics(bootstrap, 2)
    bus = Bus(KafkaConnection(bootstrap), "test")
    await bus.start()
    crowd, ledger = Crowd(bootstrap, topics, GROUP, tmp_path, session_timeout_ms=6_000), Ledger(bus, topics)
    try:
        first, second = crowd.join(), crowd.join()
        async with ledger.load(per_second=400):
            await crowd.works(first, second)
            await broker.stop()
            await broker.start()
            await eventually(bus.reachable, "the bus is back", 30)
        assert await ledger.settle(crowd) <= WINDOWS_AND_BATCHES
    finally:
        await crowd.end()
        await bus.stop()
