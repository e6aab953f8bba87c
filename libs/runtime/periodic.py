"""Work that comes round again and again for as long as the process lives."""

import asyncio
from abc import ABC, abstractmethod

import structlog

from libs.runtime.errors import Outage

log = structlog.get_logger()


class Periodic(ABC):
    """A part that does a round of work, pauses for `every` seconds, and begins again.

    No round ends the loop: an outage is waited out and said once, a mistake of ours is logged each time. A loop that
    dies unseen would be missed only much later, by what it no longer does.
    """

    def __init__(self, every: float, *, at_once: bool = True) -> None:
        self._every = every
        self._at_once = at_once
        self._out = False
        self._task: asyncio.Task[None] | None = None

    @abstractmethod
    async def _round(self) -> None:
        """Do the work once; may raise Outage."""

    async def start(self) -> None:
        """Begin: with a round, or with a pause where the first one is not `at_once`."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End, wherever the round stands."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        if not self._at_once:
            await asyncio.sleep(self._every)
        while True:
            try:
                await self._round()
                self._out = False
            except Outage:
                if not self._out:
                    log.info("rounds_wait_for_an_outage_to_end", work=type(self).__name__)
                self._out = True
            except Exception:
                log.exception("round_failed", work=type(self).__name__)
            await asyncio.sleep(self._every)
