"""The lane consumer: records of one order key one after the other, all keys side by side, commits without holes."""

from collections.abc import Awaitable, Callable, Hashable, Sequence

from libs.kafka.attempts import Attempts
from libs.kafka.bus import Bus
from libs.kafka.ceiling import CeilingWatch
from libs.kafka.consumer import GroupConsumer
from libs.kafka.dead_letters import Burial, DeadLetterPolicy
from libs.kafka.lane_engine import LaneEngine
from libs.kafka.membership import Membership
from libs.kafka.record import Record
from libs.runtime.clock import Clock, SystemClock

WINDOW = 2000  # records in flight: 25 s of the fastest number, and a few megabytes


class LaneConsumer(GroupConsumer):
    """A part: calls `handle` once per record, one at a time per lane, lanes side by side.

    A lane is (partition, `lane_of(record)`). At most `window` records and one batch are in flight, from fetch to
    finish. Guarantee: at least once; the first runs of a lane come in the order of its records; what is committed has
    no hole. `handle` may raise Outage (waited out, for ever), LetGo (see there) and Poison (buried at once); any other
    exception is a bug: tried a few times, then buried.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        topics: Sequence[str],
        group: str,
        lane_of: Callable[[Record], Hashable],
        handle: Callable[[Record], Awaitable[object]],
        dead_letters: DeadLetterPolicy,
        window: int = WINDOW,
        membership: Membership | None = None,
        clock: Clock | None = None,
    ) -> None:
        clock = clock or SystemClock()
        watch = CeilingWatch(dead_letters.ceiling, clock)
        attempts = Attempts(handle, Burial(bus, group, dead_letters), dead_letters, watch, clock)
        self._engine = LaneEngine(lane_of, window, attempts, self._halt)
        super().__init__(bus, topics, group, self._engine, membership)
        self._engine.feed = self._member
        self.window = window

    @property
    def in_flight(self) -> int:
        """Return how many fetched records are not finished."""
        return self._engine.in_flight

    def pause(self) -> None:
        """Begin no further record and fetch none; polling and heartbeats go on, and what was begun goes on."""
        self._engine.pause()

    def resume(self) -> None:
        """Go on after a pause."""
        self._engine.resume()
