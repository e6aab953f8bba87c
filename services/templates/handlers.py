"""Kafka in: commands about templates."""

from libs.events.templates import ApplyTemplateUpdate, SyncTemplates
from libs.kafka.events import read_event
from libs.kafka.record import Record
from libs.runtime.ids import derived_id
from services.templates.service import TemplateKeeper


class TemplateHandlers:
    """Reads commands and makes one call each."""

    def __init__(self, keeper: TemplateKeeper) -> None:
        self._keeper = keeper

    async def take(self, record: Record) -> None:
        """Handle a record of `templates.commands.v1`."""
        envelope, command = read_event(record, SyncTemplates, ApplyTemplateUpdate)
        if isinstance(command, SyncTemplates):
            job_id = command.job_id or derived_id("sync", envelope.id)
            await self._keeper.sync(envelope.tenant, command.waba_id, job_id)
        elif isinstance(command, ApplyTemplateUpdate):
            await self._keeper.apply(envelope.tenant, command, envelope.id, envelope.time)
