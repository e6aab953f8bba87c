"""Who is served when: endpoints that have something due are claimed and served side by side, none behind another."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import structlog

from libs.runtime.clock import Clock
from libs.runtime.errors import Outage
from services.notifier.domain import CIRCUIT_AFTER
from services.notifier.endpoint_store import EndpointStore
from services.notifier.rounds import Rounds

PAUSE_AFTER_OUTAGE = 2.0  # seconds: a server that comes back is not met by a storm of claims
AFTER_TIMEOUT = timedelta(seconds=3)  # that an attempt under way at the stop gets to be written down

Document = dict[str, Any]
log = structlog.get_logger()


class Dispatcher:
    """A part: claims endpoints and serves each in a task of its own.

    Failing endpoints get at most half of the places, so that however many they are, the others go on.
    """

    def __init__(
        self,
        endpoints: EndpointStore,
        rounds: Rounds,
        clock: Clock,
        *,
        places: int,
        look_every: timedelta,
        timeout: timedelta,
    ) -> None:
        self._endpoints = endpoints
        self._rounds = rounds
        self._clock = clock
        self._places = places
        self._look_every = look_every.total_seconds()
        self._stop_within = (timeout + AFTER_TIMEOUT).total_seconds()
        self._serving: dict[asyncio.Task[None], bool] = {}  # -> whether its endpoint was a failing one
        self._woken = asyncio.Event()
        self._stopping = False
        self._waiting = False  # whether endpoints were left that had no place
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look for work."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Begin nothing more, finish the attempts under way, let the endpoints go."""
        self._stopping = True
        self._rounds.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        if self._serving:
            _, late = await asyncio.wait(set(self._serving), timeout=self._stop_within)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    def wake(self) -> None:
        """Look for work now."""
        self._woken.set()

    def crowded(self) -> bool:
        """Tell whether an endpoint that is served long should make place."""
        return self._stopping or self._waiting

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            pause = self._look_every
            try:
                await self._take()
            except Outage:
                pause = PAUSE_AFTER_OUTAGE
            except Exception:
                log.exception("claiming_failed")
                pause = PAUSE_AFTER_OUTAGE
            try:
                async with asyncio.timeout(pause):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def _take(self) -> None:
        """Claim as many endpoints as there are places, the well ones first."""
        self._waiting = False
        for tripped in (False, True):
            room = self._places - len(self._serving)
            if tripped:
                room = min(room, self._places // 2 - sum(self._serving.values()))
            if room <= 0:
                self._waiting = True
                continue
            owner, lease = self._rounds.owner, self._rounds.lease
            taken = await self._endpoints.claim(owner, lease, self._clock.now(), room, tripped=tripped)
            for row in taken:
                self._serve(row)
            if len(taken) == room:  # there may be more
                self._waiting = True

    def _wake_at(self, moment: datetime) -> None:
        """Look for work at a time that is nearer than the next look; all further ones are found by looking."""
        wait = (moment - self._clock.now()).total_seconds()
        if wait < self._look_every:
            asyncio.get_running_loop().call_later(max(wait, 0.0), self._woken.set)

    def _serve(self, row: Document) -> None:
        task = asyncio.create_task(self._guarded(row))
        self._serving[task] = row["failures"] >= CIRCUIT_AFTER
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._serving[task]
        if self._waiting:
            self._woken.set()

    async def _guarded(self, row: Document) -> None:
        """Serve one; what goes wrong costs this endpoint the rest of its lease, and the others nothing."""
        try:
            await self._rounds.serve(row, self.crowded, self._wake_at)
        except Outage:
            log.info("endpoint_waits_for_an_outage_to_end")
        except Exception:
            log.exception("round_failed", tenant=row["tenant"])
