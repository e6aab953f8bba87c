"""When webhooks could not be taken: the sender waits longer before silence about a message means anything."""

from datetime import datetime
from typing import Protocol

from libs.runtime.clock import Clock
from libs.runtime.periodic import Periodic

EVERY = 1.0  # seconds between two notes of an interruption that goes on


class Flow(Protocol):
    """Where interruptions are noted."""

    async def interrupted(self, at: datetime) -> None:
        """Note one that lasted until then."""
        ...


class Interruptions(Periodic):
    """A part: notes that webhooks were turned away, and at its start that nobody knows what was before."""

    def __init__(self, flow: Flow, clock: Clock) -> None:
        super().__init__(EVERY)
        self._flow = flow
        self._clock = clock
        self._until = clock.now()
        self._noted = False

    def happened(self) -> None:
        """A webhook was just turned away."""
        self._until, self._noted = self._clock.now(), False

    async def _round(self) -> None:
        if not self._noted:
            self._noted = True
            try:
                await self._flow.interrupted(self._until)
            except BaseException:
                self._noted = False
                raise
