"""The loop that takes up syncs which Meta could not answer."""

from datetime import timedelta

from libs.runtime.periodic import Periodic
from services.templates.service import TemplateKeeper


class Retries(Periodic):
    """A part: looks for jobs to take up again, and for changes that are not told."""

    def __init__(self, keeper: TemplateKeeper, every: timedelta) -> None:
        super().__init__(every.total_seconds())
        self._keeper = keeper

    async def _round(self) -> None:
        await self._keeper.tell()
        await self._keeper.retry()
