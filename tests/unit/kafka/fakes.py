"""Stand-ins for the broker's side of the engine: fetched records, a publisher, a feed, a clock."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from libs.kafka.errors import BusUnavailable
from libs.kafka.record import Partition, Record

TOPIC = "messages.status.v1"
PARTITION: Partition = (TOPIC, 0)


def record(offset: int = 0, key: bytes | None = b"k", value: bytes | None = b"v", **more: Any) -> Record:
    """Return a record of the test topic; as a fetched one it has the same attributes."""
    headers: tuple[tuple[str, bytes | None], ...] = more.get("headers", ())
    return Record(TOPIC, more.get("partition", 0), offset, key, value, headers, 1_700_000_000_000)


@dataclass
class FakePublisher:
    """Keeps what is published, and is away as often as it is told to be."""

    away: int = 0
    published: list[tuple[str, Any, Any, Any]] = field(default_factory=list)

    async def publish(self, topic: str, *, key: Any, value: Any, headers: Any, timeout: float) -> None:
        """Keep the record."""
        if self.away:
            self.away -= 1
            raise BusUnavailable("away")
        self.published.append((topic, key, value, list(headers)))


@dataclass
class FakeFeed:
    """Remembers what is held."""

    held: Collection[Partition] | None = ()

    def hold(self, partitions: Collection[Partition] | None) -> None:
        """Remember it."""
        self.held = partitions


@dataclass
class FakeClock:
    """A clock that the test moves."""

    seconds: float = 1000.0

    def now(self) -> datetime:
        """Return a fixed moment."""
        return datetime(2026, 11, 23, 9, 30, tzinfo=UTC)

    def monotonic(self) -> float:
        """Return the seconds."""
        return self.seconds
