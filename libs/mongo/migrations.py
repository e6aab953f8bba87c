"""Numbered steps that change what is stored: each is run once, in order, while services of both versions run.

A step is written so that it may be run again (it may die half-way), and so that the version before it and the one after
it both work before, while and after it runs. What was run is kept in the database itself.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from libs.mongo.client import Mongo, outages
from libs.mongo.leases import Lease
from libs.runtime.clock import Clock
from libs.runtime.errors import Outage
from libs.runtime.ids import new_id

COLLECTION = "migrations"
LEASE = timedelta(seconds=30)  # of a runner that died
RENEW_EVERY = 10.0  # seconds
LOOK_EVERY = 1.0  # seconds, while another one is at it

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Step:
    """One change: its number (1, 2, …), its name, why it is needed, and what it does; -> how many it changed."""

    number: int
    name: str
    why: str
    run: Callable[[Mongo], Awaitable[int]]


class OtherStep(Exception):
    """The database knows a step of this number by another name: this is not the code that it belongs to."""


class LeaseLost(Exception):
    """The database was away for so long that another runner may have begun: what is under way was broken off."""


class Migrations:
    """Runs the steps that were not run yet. All raise MongoUnavailable; what was done stays done."""

    def __init__(
        self, mongo: Mongo, steps: Sequence[Step], clock: Clock, renew_every: float = RENEW_EVERY
    ) -> None:  # fmt: skip
        self._mongo = mongo
        self._steps = steps
        self._clock = clock
        self._renew_every = renew_every

    async def pending(self) -> list[Step]:
        """Return the steps that were not run, in order; those of a later version are its own. Raises OtherStep."""
        with outages():
            rows: list[dict[str, Any]] = await self._mongo.collection(COLLECTION).find().to_list(None)
        known = {row["_id"]: row["name"] for row in rows}
        for step in self._steps:
            if known.get(step.number, step.name) != step.name:
                raise OtherStep(f"step {step.number} of this database is {known[step.number]}, not {step.name}")
        return [step for step in self._steps if step.number not in known]

    async def apply(self, report: Report) -> int:
        """Run what is pending, one runner at a time; -> how many steps this one ran. Raises OtherStep."""
        done = 0
        if not await self.pending():
            return done
        async with self._alone(report) as lease:
            for step in await self.pending():  # another one may have been at it
                report(f"{step.number} {step.name}: {step.why}")
                began = self._clock.monotonic()
                changed = await self._held(lease, step)
                took = round((self._clock.monotonic() - began) * 1000)
                row = {"name": step.name, "at": self._clock.now(), "took_ms": took, "changed": changed}
                with outages():
                    await self._mongo.collection(COLLECTION).replace_one({"_id": step.number}, row, upsert=True)
                report(f"{step.number} {step.name}: {changed} changed in {took / 1000:.1f} s")
                done += 1
        return done

    @asynccontextmanager
    async def _alone(self, report: Report) -> AsyncIterator[Lease]:
        lease, told = Lease(self._mongo, COLLECTION, new_id(), LEASE), False
        while not await lease.hold():
            if not told:
                report("another runner is at it: waiting")
            told = True
            await asyncio.sleep(LOOK_EVERY)
        try:
            yield lease
        finally:
            await lease.release()

    async def _held(self, lease: Lease, step: Step) -> int:
        """Run a step while the lease is ours; raises LeaseLost."""
        running = asyncio.ensure_future(step.run(self._mongo))
        try:
            while not (await asyncio.wait({running}, timeout=self._renew_every))[0]:
                with contextlib.suppress(Outage):  # away for a moment: if it was for too long, the next look says so
                    if not await lease.hold():
                        raise LeaseLost(f"step {step.number} {step.name} was broken off: another runner is at it")
        finally:
            running.cancel()
            await asyncio.wait({running})
        return running.result()
