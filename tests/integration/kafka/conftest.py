"""Topics of a test's own in the session's broker, their dead letters, and buses and consumers that end with it."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from deploy.local.topic_settings import Topic
from deploy.local.topics import ensure_topics
from libs.events.topics import dead_letter_topic
from libs.kafka.bus import Bus
from libs.kafka.connection import KafkaConnection
from libs.kafka.dead_letter_reader import DeadLetter, DeadLetterReader, Span
from libs.kafka.dead_letters import DeadLetterPolicy
from libs.kafka.lanes import LaneConsumer
from libs.kafka.record import Record

GROUP = "service"
QUICK = DeadLetterPolicy(service="test", first_wait=0.01)

MakeTopics = Callable[..., Awaitable[list[str]]]
MakeBus = Callable[..., Awaitable[Bus]]
Handle = Callable[[Record], Awaitable[object]]
Consume = Callable[..., Awaitable[LaneConsumer]]


async def new_topics(
    bootstrap: str, count: int = 1, partitions: int = 4, groups: tuple[str, ...] = (GROUP,), max_bytes: int = 1 << 20
) -> list[str]:
    """Make topics that nobody else uses, each with its groups' dead-letter topics; return their names."""
    names = [f"test-{uuid.uuid4().hex[:12]}" for _ in range(count)]
    dead = [dead_letter_topic(name, group) for name in names for group in groups]
    wanted = [Topic(name, partitions, 3_600_000, max_bytes) for name in names]
    await ensure_topics(KafkaConnection(bootstrap), wanted + [Topic(name, 1, 3_600_000, 5 << 20) for name in dead])
    return names


@pytest.fixture
def make_topics(kafka_bootstrap: str) -> MakeTopics:
    """Make topics in the session's broker; as `new_topics` without the broker."""

    async def make(count: int = 1, **wanted: int | tuple[str, ...]) -> list[str]:
        return await new_topics(kafka_bootstrap, count, **wanted)  # type: ignore[arg-type]

    return make


@pytest.fixture
async def make_bus(kafka_bootstrap: str) -> AsyncIterator[MakeBus]:
    """Start buses on the session's broker, stopped at the test's end."""
    buses: list[Bus] = []

    async def make(bootstrap: str = kafka_bootstrap, **settings: int) -> Bus:
        bus = Bus(KafkaConnection(bootstrap), "test", **settings)
        buses.append(bus)
        await bus.start()
        return bus

    yield make
    for bus in buses:
        await bus.stop()


@pytest.fixture
async def bus(make_bus: MakeBus) -> Bus:
    """A started bus on the session's broker."""
    return await make_bus()


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
        return [letter async for letter in reader.walk([dead_letter_topic(topic, GROUP)], Span())]
