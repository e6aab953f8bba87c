"""What a group member is told by its consumer: how to behave, and the engine that runs its records."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from libs.kafka.progress import Progress
from libs.kafka.record import Partition
from libs.kafka.subscription import Fetched, FetchSettings

Hook = Callable[[frozenset[Partition]], Awaitable[None]]


class Engine(Protocol):
    """What runs the records of the partitions that this member owns."""

    room: asyncio.Event  # set while there is room for another batch

    @property
    def progress(self) -> Mapping[Partition, Progress]:
        """Return how far each partition is done."""
        ...

    def accept(self, partition: Partition, fetched: Fetched) -> None:
        """Take fetched records of one partition, in order."""
        ...

    async def finish(self, partitions: Collection[Partition], within: float) -> None:
        """Fill the holes: finish what was begun, at most `within` seconds, then run nothing of these partitions."""
        ...

    def forget(self, partitions: Collection[Partition]) -> None:
        """Drop what is left of these partitions."""
        ...

    def assigned(self) -> None:
        """Look at the partitions afresh: new ones are never paused."""
        ...


async def _nothing(_: frozenset[Partition]) -> None:
    return None


@dataclass(frozen=True)
class Membership:
    """How a member behaves: its fetching, its drain (seconds; less than aiokafka's 40 s for a join), its hooks.

    `on_revoke` runs first thing when partitions are going, at a rebalance and at a stop, before the drain: handlers
    that only wait can be told there to let go. `aligned` demands that all topics have the same partition count.
    """

    fetch: FetchSettings = field(default_factory=FetchSettings)
    drain_within: float = 25.0
    aligned: bool = False
    on_revoke: Hook = _nothing
    on_assign: Hook = _nothing
