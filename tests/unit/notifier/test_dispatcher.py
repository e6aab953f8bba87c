"""Who gets a place: everybody who is well, and failing endpoints half of them at most."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from services.notifier.dispatcher import Dispatcher
from services.notifier.endpoint_store import EndpointStore
from services.notifier.rounds import Rounds
from tests.support.waiting import eventually
from tests.unit.notifier.test_fan_out import FixedClock

NOW = datetime(2026, 11, 25, tzinfo=UTC)


class Queue:
    """Endpoints that wait, failing ones apart, and a server that holds each until it is let go."""

    owner, lease = "me", timedelta(seconds=4)

    def __init__(self, well: int, failing: int) -> None:
        self.waiting = {
            False: [{"_id": f"well-{i}", "tenant": "t", "failures": 0} for i in range(well)],
            True: [{"_id": f"failing-{i}", "tenant": "t", "failures": 9} for i in range(failing)],
        }
        self.served: list[str] = []
        self.open = asyncio.Event()

        self.closed = False

    def close(self) -> None:
        self.closed = True

    async def claim(
        self, owner: str, length: timedelta, now: datetime, most: int, *, tripped: bool
    ) -> Sequence[dict[str, Any]]:
        taken, self.waiting[tripped] = self.waiting[tripped][:most], self.waiting[tripped][most:]
        return taken

    async def serve(self, endpoint: dict[str, Any], crowded: Any, wake_at: Any) -> None:
        self.served.append(endpoint["_id"])
        await self.open.wait()


def dispatching(queue: Queue, places: int) -> Dispatcher:
    store, rounds = cast(EndpointStore, queue), cast(Rounds, queue)
    hour = timedelta(hours=1)
    return Dispatcher(store, rounds, FixedClock(), places=places, look_every=hour, timeout=timedelta(seconds=2))


async def test_however_many_fail_half_of_the_places_are_for_those_who_do_well() -> None:
    queue = Queue(well=0, failing=20)
    dispatcher = dispatching(queue, places=6)
    await dispatcher.start()
    await eventually(lambda: len(queue.served) == 3, "three failing ones are served")
    queue.waiting[False] = [{"_id": f"well-{i}", "tenant": "t", "failures": 0} for i in range(3)]
    dispatcher.wake()
    await eventually(lambda: len(queue.served) == 6, "the well ones have their places")
    assert queue.served[3:] == ["well-0", "well-1", "well-2"]
    assert dispatcher.crowded()
    queue.open.set()
    await eventually(lambda: len(queue.served) == 23, "each place that is free is taken at once")
    await dispatcher.stop()


async def test_a_stop_lets_what_is_under_way_end_and_begins_nothing() -> None:
    queue = Queue(well=1, failing=0)
    dispatcher = dispatching(queue, places=2)
    await dispatcher.start()
    await eventually(lambda: queue.served, "it is served")
    stopping = asyncio.create_task(dispatcher.stop())
    await eventually(dispatcher.crowded, "it is asked to make place")
    assert not stopping.done()
    assert queue.closed
    queue.open.set()
    await stopping
    assert queue.served == ["well-0"]
