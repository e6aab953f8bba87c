"""The loop that takes up syncs which Meta could not answer."""

import asyncio
from datetime import timedelta

import structlog

from libs.runtime.errors import Outage
from services.templates.service import TemplateKeeper

log = structlog.get_logger()


class Retries:
    """A part: looks for jobs to take up again, and for changes that are not told."""

    def __init__(self, keeper: TemplateKeeper, every: timedelta) -> None:
        self._keeper = keeper
        self._every = every.total_seconds()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while True:
            try:
                await self._keeper.tell()
                await self._keeper.retry()
            except Outage:
                log.info("retries_wait_for_an_outage_to_end")
            except Exception:
                log.exception("retries_failed")
            await asyncio.sleep(self._every)
