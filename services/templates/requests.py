"""Asking for a sync: a job that the caller can watch, and one command per account."""

from typing import Any

from libs.directory.directory import Directory
from libs.events.envelope import Envelope
from libs.events.templates import SyncTemplates
from libs.events.topics import TEMPLATES_COMMANDS
from libs.kafka.bus import Bus, BusUnavailable
from libs.kafka.record import Outgoing
from libs.runtime.clock import Clock
from libs.runtime.ids import derived_id, new_id
from libs.web.errors import NotFound, Unavailable
from services.templates.store import JobStore

PUBLISH_FOR = 5.0  # seconds: the caller waits


class SyncRequests:
    """Opens jobs and publishes their commands."""

    def __init__(self, jobs: JobStore, directory: Directory, bus: Bus, clock: Clock) -> None:
        self._jobs = jobs
        self._directory = directory
        self._bus = bus
        self._clock = clock

    async def ask(self, tenant: str, waba_id: str | None) -> dict[str, Any]:
        """Ask for the sync of one account or of all; -> the job. Raises NotFound, Unavailable."""
        mine = await self._directory.wabas_of(tenant)
        waba_ids = sorted(mine if waba_id is None else mine & {waba_id})
        if not waba_ids:
            raise NotFound("You have no connected account with this id.", code="account_not_found", param="waba_id")
        now, job_id = self._clock.now(), new_id()
        commands = []
        for each in waba_ids:
            event = SyncTemplates(waba_id=each, job_id=job_id)
            envelope = Envelope(
                id=derived_id(job_id, each), type=event.type_name(), source="templates", time=now, tenant=tenant,
                subject=each,
            )  # fmt: skip
            commands.append(Outgoing(TEMPLATES_COMMANDS, each.encode(), event.to_bytes(), envelope.headers()))
        job = await self._jobs.open(job_id, tenant, waba_ids, now)
        try:
            await self._bus.publish_many(commands, timeout=PUBLISH_FOR)
        except BusUnavailable:
            raise Unavailable("The queue is not available; no sync was begun. Try again.", retry_after=2) from None
        return job
