"""The batch consumer: everything that was fetched goes to the handler at once, for consumers that write in bulk."""

from collections.abc import Awaitable, Callable, Sequence

from libs.kafka.attempts import Attempts
from libs.kafka.batch_engine import BatchEngine, Rejected
from libs.kafka.bus import Bus
from libs.kafka.ceiling import CeilingWatch
from libs.kafka.consumer import GroupConsumer
from libs.kafka.dead_letters import Burial, DeadLetterPolicy
from libs.kafka.membership import Membership
from libs.kafka.record import Record
from libs.kafka.traces import traced
from libs.runtime.clock import Clock, SystemClock


class BatchConsumer(GroupConsumer):
    """A part: calls `handle` with all records that wait, in the order of each partition, one batch after the other.

    `handle` returns the records that it found to be poison: they are buried before the batch is committed, the others
    go on. Guarantee: at least once, so `handle` is idempotent per record. It may raise Outage (waited out, for ever)
    and LetGo; any other exception is a bug: the batch is halved until the record at fault is alone, which is tried a
    few times and buried.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        topics: Sequence[str],
        group: str,
        handle: Callable[[Sequence[Record]], Awaitable[Sequence[Rejected] | None]],
        dead_letters: DeadLetterPolicy,
        membership: Membership | None = None,
        clock: Clock | None = None,
    ) -> None:
        clock = clock or SystemClock()
        membership = membership or Membership()
        watch = CeilingWatch(dead_letters.ceiling, clock)
        burial = Burial(bus, group, dead_letters)

        def attempts(of: Callable[[Record], Awaitable[object]]) -> Attempts:
            return Attempts(of, burial, dead_letters, watch, clock)

        most = membership.fetch.max_records
        self._engine = BatchEngine(traced(handle, group), attempts, watch, clock, most, self._halt)
        super().__init__(bus, topics, group, self._engine, membership)
        self._engine.feed = self._member

    @property
    def in_flight(self) -> int:
        """Return how many fetched records are not finished."""
        return self._engine.in_flight

    async def start(self) -> None:
        """Begin to join the group; returns at once, for Kafka may be away."""
        self._engine.start()
        await super().start()

    async def _stop(self) -> None:
        await super()._stop()
        await self._engine.stop()


__all__ = ["BatchConsumer", "Rejected"]
