"""What lane and batch consumers share: starting, stopping, halting at the ceiling, telling how they are."""

import asyncio
from collections.abc import Sequence

import structlog

from libs.events.topics import dead_letter_topic
from libs.kafka.bus import Bus
from libs.kafka.group import GroupMember
from libs.kafka.membership import Engine, Membership
from libs.kafka.metrics import HALTED, announce
from libs.kafka.record import Partition

log = structlog.get_logger()


class GroupConsumer:
    """A part: a member of a consumer group with an engine behind it."""

    def __init__(
        self, bus: Bus, topics: Sequence[str], group: str, engine: Engine, membership: Membership | None
    ) -> None:
        self._topics = topics
        self._group = group
        announce(topics, group)
        self._stopping: asyncio.Task[None] | None = None
        self._member = GroupMember(bus, topics, group, engine, membership or Membership())
        self.halted = False

    async def start(self) -> None:
        """Begin to join the group; returns at once, for Kafka may be away."""
        await self._member.start([dead_letter_topic(topic, self._group) for topic in self._topics])

    async def stop(self) -> None:
        """Finish what was begun (bounded), commit, leave the group."""
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop())
        await asyncio.shield(self._stopping)

    async def joined(self) -> None:
        """Return once the group was joined and partitions were assigned."""
        await self._member.joined.wait()

    async def healthy(self) -> bool:
        """Tell whether it has joined and was not stopped by the ceiling (for readiness)."""
        return self._member.joined.is_set() and not self.halted

    @property
    def owned(self) -> frozenset[Partition]:
        """Return the partitions that are this process's now."""
        return self._member.owned

    def lag(self) -> dict[Partition, int]:
        """Return how many records of each owned partition are not finished, as far as the last fetch knew."""
        return self._member.lag()

    async def places_now(self) -> dict[Partition, tuple[int, int]]:
        """Ask where each owned partition ends now; -> (end, finished up to). Raises BusUnavailable."""
        return await self._member.places_now()

    async def _stop(self) -> None:
        await self._member.stop()

    def _halt(self) -> None:
        """Stop for good: readiness turns false, the group gets the partitions, nothing more is buried here."""
        if not self.halted:
            self.halted = True
            for topic in self._topics:
                HALTED.labels(topic, self._group).set(1)
            log.error("consumer_halted", group=self._group, topics=list(self._topics), reason="dead_letter_ceiling")
            self._stopping = self._stopping or asyncio.create_task(self._stop())
