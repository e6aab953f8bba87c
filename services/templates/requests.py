"""Asking for a sync: a job that the caller can watch, and one command per account."""

from typing import Any

from libs.events.envelope import Envelope
from libs.events.templates import SyncTemplates
from libs.events.topics import TEMPLATES_COMMANDS
from libs.kafka.bus import Bus, BusUnavailable
from libs.kafka.record import Outgoing
from libs.runtime.clock import Clock
from libs.runtime.ids import derived_id, new_id
from libs.web.errors import Unavailable
from libs.web.identity import Identity
from services.templates.accounts import Accounts
from services.templates.store import JobStore

PUBLISH_FOR = 5.0  # seconds: the caller waits


class SyncRequests:
    """Opens jobs and publishes their commands."""

    def __init__(self, jobs: JobStore, accounts: Accounts, bus: Bus, clock: Clock) -> None:
        self._jobs = jobs
        self._accounts = accounts
        self._bus = bus
        self._clock = clock

    async def ask(self, caller: Identity, waba_id: str | None) -> dict[str, Any]:
        """Ask for the sync of one account or of all; -> the job. Raises what `Accounts.named` does, and Unavailable."""
        waba_ids = await self._accounts.named(caller, waba_id)
        now, job_id = self._clock.now(), new_id()
        commands = []
        for each in waba_ids:
            event = SyncTemplates(waba_id=each, job_id=job_id)
            envelope = Envelope(
                id=derived_id(job_id, each), type=event.type_name(), source="templates", time=now, tenant=caller.tenant,
                subject=each,
            )  # fmt: skip
            commands.append(Outgoing(TEMPLATES_COMMANDS, each.encode(), event.to_bytes(), envelope.headers()))
        job = await self._jobs.open(job_id, caller.tenant, waba_ids, now)
        try:
            await self._bus.publish_many(commands, timeout=PUBLISH_FOR)
        except BusUnavailable:
            raise Unavailable("The queue is not available; no sync was begun. Try again.", retry_after=2) from None
        return job
