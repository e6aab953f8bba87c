"""Keeps the processes of a plan running: starts them, brings back what dies, stops them in reverse order."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from deploy.local.errors import NotReadyInTime, StackRefused
from deploy.local.plan import ProcessPlan
from deploy.local.processes import Identity, Running
from deploy.local.services import Tier

BETWEEN_LOOKS = 0.1  # seconds between looks at a starting process
WATCH_EVERY = 0.25  # seconds between looks at all the others
FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0  # seconds before a dead process is started again, doubling
STEADY_AFTER = 60.0  # seconds of life after which a process that dies counts as dying for the first time
RESTART_STOP_WITHIN = 30.0  # seconds: a service may finish what it has begun

# Seconds from the beginning of a stop until a tier is killed: together less than the 30 that `wabus down` promises.
STOP_BY = {Tier.DOOR: 6.0, Tier.WORKERS: 18.0, Tier.META: 20.0, Tier.SERVERS: 27.0}

Report = Callable[[str], None]


@dataclass
class Managed:
    """One process of the plan over all its lives."""

    plan: ProcessPlan
    running: Running | None = None
    wanted: bool = False
    ready: bool = False
    starting: bool = False
    reviving: bool = False
    starts: int = 0
    started_at: float = 0.0  # monotonic
    wait: float = FIRST_WAIT
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def alive(self) -> bool:
        """Tell whether it has a living process."""
        return self.running is not None and self.running.alive()


class Supervisor:
    """Owns the processes; everything that starts or stops one goes through here, on one event loop.

    A process that dies although it is wanted is started again after a wait that doubles from 1 to 30 s.
    """

    def __init__(self, plans: Sequence[ProcessPlan], report: Report, on_change: Callable[[], None]) -> None:
        self._all = {plan.name: Managed(plan) for plan in plans}
        self._report = report
        self._on_change = on_change
        self._revivals: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def start(self, tiers: set[Tier], without: set[str]) -> None:
        """Start these tiers, all at once, and wait until every process is ready; raises StackRefused."""
        group = [one for one in self._all.values() if one.plan.tier in tiers and one.plan.name not in without]
        starting = [asyncio.create_task(self._start_locked(one)) for one in group]
        done, rest = await asyncio.wait(starting, return_when=asyncio.FIRST_EXCEPTION) if starting else (set(), set())
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        for task in done:
            task.result()

    async def watch(self) -> None:
        """Bring back whatever dies, for ever."""
        while True:
            for one in self._all.values():
                if not one.wanted or one.reviving or one.lock.locked():
                    continue
                if not one.alive():
                    one.ready, one.reviving = False, True
                    task = asyncio.create_task(self._revive(one))
                    self._revivals.add(task)
                    task.add_done_callback(self._revivals.discard)
                elif not one.ready:  # it was not in time, and may be ready by now
                    one.ready = await one.plan.ready()
            await asyncio.sleep(WATCH_EVERY)

    async def restart(self, name: str) -> None:
        """Stop the process if it lives, start it, wait until it is ready; raises StackRefused.

        A start that is under way, because the supervisor saw it die first, counts as the restart.
        """
        one = self._named(name)
        under_way = one.starting
        async with one.lock:
            if under_way and one.ready and one.alive():
                return
            await self._stop_one(one, RESTART_STOP_WITHIN)
            one.wait = FIRST_WAIT
            await self._start(one)

    async def halt(self, name: str) -> None:
        """Stop the process and leave it down until it is restarted."""
        one = self._named(name)
        async with one.lock:
            await self._stop_one(one, RESTART_STOP_WITHIN)

    async def settle(self) -> None:
        """Wait until every wanted process is ready."""
        while any(one.wanted and not (one.ready and one.alive()) for one in self._all.values()):  # noqa: ASYNC110 - processes die unheard
            await asyncio.sleep(BETWEEN_LOOKS)

    async def stop(self) -> None:
        """Stop everything in reverse order within `STOP_BY`; what does not obey is killed."""
        self._stopping = True
        for task in self._revivals:
            task.cancel()
        began = time.monotonic()
        for tier in sorted(STOP_BY, reverse=True):
            group = [one for one in self._all.values() if one.plan.tier == tier]
            for turn in sorted({one.plan.stop_turn for one in group}):
                left = max(0.5, STOP_BY[tier] - (time.monotonic() - began))
                now = [one for one in group if one.plan.stop_turn == turn]
                await asyncio.gather(*(self._stop_one(one, min(left, one.plan.stop_within)) for one in now))

    def kill(self) -> None:
        """Kill everything now: for a second Ctrl-C."""
        for one in self._all.values():
            if one.running is not None and one.running.alive():
                one.running.child.kill()

    # -- what others may know

    def pids(self) -> dict[str, int]:
        """Return the pid of every living process by name."""
        return {name: one.running.pid for name, one in self._all.items() if one.running is not None and one.alive()}

    def identities(self) -> dict[str, Identity]:
        """Return who every process is, for a later run that has to clear up."""
        return {name: one.running.identity for name, one in self._all.items() if one.running is not None}

    def status(self) -> list[dict[str, Any]]:
        """Return a row per process: name, state, pid, seconds since its start, starts, address."""
        return [self._row(name, one) for name, one in self._all.items()]

    def _row(self, name: str, one: Managed) -> dict[str, Any]:
        alive = one.running is not None and one.alive()
        state = ("ready" if one.ready else "starting") if alive else ("down" if one.wanted else "stopped")
        return {
            "name": name,
            "state": state,
            "pid": one.running.pid if alive and one.running else None,
            "uptime_seconds": round(time.monotonic() - one.started_at) if alive else None,
            "starts": one.starts,
            "url": one.plan.url,
        }

    # -- one process

    def _named(self, name: str) -> Managed:
        if name not in self._all:
            raise StackRefused(f"the stack has no {name}: it has {', '.join(self._all)}")
        return self._all[name]

    async def _start_locked(self, one: Managed) -> None:
        async with one.lock:
            await self._start(one)

    async def _start(self, one: Managed) -> None:
        one.wanted, one.ready, one.starting = True, False, True
        try:
            await self._begin(one)
        finally:
            one.starting = False

    async def _begin(self, one: Managed) -> None:
        await asyncio.to_thread(one.plan.prepare)
        if self._stopping:
            raise StackRefused(f"{one.plan.name} is not started: the stack is stopping")
        one.running = one.plan.start()  # on the loop's own thread: a process dies with the thread that started it
        one.started_at = time.monotonic()
        one.starts += 1
        self._on_change()
        await self._until_ready(one, one.running)
        one.ready = True
        self._report(f"{one.plan.name} is ready")

    async def _until_ready(self, one: Managed, running: Running) -> None:
        deadline = time.monotonic() + one.plan.ready_within
        while not await one.plan.ready():
            running.check_alive()
            if time.monotonic() > deadline:
                raise NotReadyInTime(
                    f"{one.plan.name} was not ready after {one.plan.ready_within:.0f} s: see {running.log}"
                )
            await asyncio.sleep(BETWEEN_LOOKS)

    async def _stop_one(self, one: Managed, seconds: float) -> None:
        one.wanted = one.ready = False
        if one.running is not None and one.alive():
            obeyed = await asyncio.to_thread(one.running.stop, seconds)
            if not obeyed:
                self._report(f"{one.plan.name} did not stop within {seconds:.0f} s and was killed")
            self._on_change()

    async def _revive(self, one: Managed) -> None:
        try:
            if time.monotonic() - one.started_at > STEADY_AFTER:
                one.wait = FIRST_WAIT
            while one.wanted and not one.ready:
                code = one.running.child.poll() if one.running is not None else None
                self._report(f"{one.plan.name} ended with code {code}: it is started again in {one.wait:.0f} s")
                await asyncio.sleep(one.wait)
                one.wait = min(one.wait * 2, LONGEST_WAIT)
                async with one.lock:
                    if one.wanted and not one.ready:
                        await self._try(one)
        finally:
            one.reviving = False

    async def _try(self, one: Managed) -> None:
        try:
            await self._start(one)
        except StackRefused as refused:
            self._report(f"{one.plan.name} did not come back: {refused}")
            if one.running is not None:
                await asyncio.to_thread(one.running.stop, RESTART_STOP_WITHIN)
