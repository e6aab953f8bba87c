"""When webhooks could not be taken: the sender waits longer before silence about a message means anything."""

from datetime import datetime, timedelta
from typing import Protocol

from libs.runtime.clock import Clock
from libs.runtime.periodic import Periodic

EVERY = 1.0  # seconds between two words of ours
SILENCE = timedelta(seconds=3)  # since our last word: we were stopped, or could not say it


class Flow(Protocol):
    """Where it is noted."""

    async def interrupted(self, at: datetime) -> None:
        """Note an interruption that lasted until then."""
        ...

    async def open(self, at: datetime) -> None:
        """Note that webhooks could be taken then."""
        ...


class Interruptions(Periodic):
    """A part: notes that webhooks were turned away, at its start that nobody knows what was before, and that we live.

    The word that we live is what an edge that died can no longer say.
    """

    def __init__(self, flow: Flow, clock: Clock) -> None:
        super().__init__(EVERY)
        self._flow = flow
        self._clock = clock
        self._until: datetime | None = None  # of an interruption that is not noted yet
        self._said = clock.now()

    async def start(self) -> None:
        """Begin. The last part to do so: right after it webhooks can be taken, and not before."""
        self._until = self._said = self._clock.now()
        await super().start()

    def happened(self) -> None:
        """A webhook was just turned away."""
        self._until = self._clock.now()

    async def _round(self) -> None:
        now = self._clock.now()
        if now - self._said > SILENCE:
            self._until = now
        if (until := self._until) is not None:  # first: who reads that we live must find what was before
            await self._flow.interrupted(until)
            self._until = None if self._until == until else self._until
        await self._flow.open(now)
        self._said = now
