"""Topics of a test's own in the session's broker, and buses that are closed at its end."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from deploy.local.topics import Topic, ensure_topics
from libs.events.topics import dead_letter_topic
from libs.kafka.bus import Bus

GROUP = "service"

MakeTopics = Callable[..., Awaitable[list[str]]]
MakeBus = Callable[..., Awaitable[Bus]]


async def new_topics(
    bootstrap: str, count: int = 1, partitions: int = 4, groups: tuple[str, ...] = (GROUP,), max_bytes: int = 1 << 20
) -> list[str]:
    """Make topics that nobody else uses, each with its groups' dead-letter topics; return their names."""
    names = [f"test-{uuid.uuid4().hex[:12]}" for _ in range(count)]
    dead = [dead_letter_topic(name, group) for name in names for group in groups]
    wanted = [Topic(name, partitions, 3_600_000, max_bytes) for name in names]
    await ensure_topics(bootstrap, wanted + [Topic(name, 1, 3_600_000, 5 << 20) for name in dead])
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
        bus = Bus(bootstrap, "test", **settings)
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
