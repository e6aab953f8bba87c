"""Keeping our projection of templates equal to Meta's: by sync, and at once by webhook."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from libs.directory.directory import Directory
from libs.events.envelope import Envelope
from libs.events.templates import ApplyTemplateUpdate, TemplateChanged
from libs.events.topics import TEMPLATES_CHANGED
from libs.graph.client import GraphClient
from libs.graph.errors import GraphRefused, GraphUnavailable
from libs.kafka.bus import Bus
from libs.kafka.record import Outgoing
from libs.runtime.clock import Clock
from libs.runtime.ids import derived_id
from services.templates.metrics import CHANGES, SYNCS, UPDATES
from services.templates.readings import GONE, identity, projection, webhook_changes
from services.templates.store import JobStore, TemplateStore

FIRST_RETRY = timedelta(seconds=5)  # after a sync that Meta did not answer, doubling
LONGEST_RETRY = timedelta(minutes=10)  # an account is not read more often than that while Meta is down
SKEW = timedelta(seconds=1)  # by which the clocks of two hosts may differ; kept in step they differ by milliseconds
MOST_NOTED = 10_000  # accounts whose last sync is remembered: some hundred bytes each
MOST_TRIES = 12  # about an hour of trying

Document = dict[str, Any]
log = structlog.get_logger()


class TemplateKeeper:
    """Syncs accounts, applies webhooks, tells of every change."""

    def __init__(
        self,
        store: TemplateStore,
        jobs: JobStore,
        directory: Directory,
        graph: GraphClient,
        bus: Bus,
        clock: Clock,
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._directory = directory
        self._graph = graph
        self._bus = bus
        self._clock = clock
        self._synced: dict[tuple[str, str], datetime] = {}  # when the last sync that came to an end began

    async def sync(self, tenant: str, waba_id: str, job_id: str) -> None:
        """Read every page of an account's templates and make the projection equal; the job gets the counts."""
        await self._jobs.open(job_id, tenant, [waba_id], self._clock.now())
        await self._jobs.begin(job_id)
        account, began = await self._directory.account_now(tenant, waba_id), self._clock.now()
        if account is None:
            await self._end(job_id, waba_id, "account_not_found", "The account is not connected.")
            return
        try:
            token = account.access_token.get_secret_value()
            remote = [projection(said) async for said in self._graph.templates(waba_id, token) if "name" in said]
        except GraphRefused as refused:
            await self._end(job_id, waba_id, refused.error.verdict.code, refused.error.title)
            self._note_sync(tenant, waba_id, began)
            return
        except GraphUnavailable:
            await self._put_off(job_id, waba_id)
            self._note_sync(tenant, waba_id, began)
            return
        counts = await self._compare(tenant, waba_id, [each for each in remote if each["status"] not in GONE], began)
        await self.tell()
        await self._jobs.finish(job_id, waba_id, counts, None, self._clock.now())
        self._note_sync(tenant, waba_id, began)
        SYNCS.labels("done").inc()

    def _synced_since(self, tenant: str, waba_id: str, moment: datetime) -> bool:
        began = self._synced.get((tenant, waba_id))
        return began is not None and began > moment + SKEW

    def _note_sync(self, tenant: str, waba_id: str, began: datetime) -> None:
        self._synced.pop((tenant, waba_id), None)
        self._synced[tenant, waba_id] = began
        if len(self._synced) > MOST_NOTED:
            del self._synced[next(iter(self._synced))]

    async def _compare(self, tenant: str, waba_id: str, remote: Sequence[Document], began: datetime) -> dict[str, int]:
        """Make the rows equal to what Meta listed; -> how many were added, changed and removed.

        A row that was written after the reading began (a webhook came, a template was created) knows better.
        """
        stored, now = await self._store.of_account(tenant, waba_id), self._clock.now()
        there = {(fields["name"], fields["language"]): fields for fields in remote}
        added = [fields for key, fields in there.items() if key not in stored or stored[key]["removed"]]
        older = {key: row for key, row in stored.items() if not row["removed"] and row["changed_at"] < began}
        changed = [
            (row, there[key])
            for key, row in older.items()
            if key in there and any(row.get(name) != value for name, value in there[key].items())
        ]
        removed = [row for key, row in older.items() if key not in there]
        counts = {
            "added": await self._store.add(tenant, waba_id, added, now),
            "changed": await self._store.rewrite(changed, now),
            "removed": await self._store.remove(tenant, removed, now),
        }
        await self._store.synced(tenant, waba_id, now)
        return counts

    async def apply(self, tenant: str, command: ApplyTemplateUpdate, command_id: str, said_at: datetime) -> None:
        """Apply a webhook of Meta's; one about a template that we do not know yet brings a sync.

        `said_at` is when the command was made: a sync that began after it has seen what the webhook is about, so that a
        thousand webhooks about unknown templates bring one sync.
        """
        UPDATES.labels(command.field[:64]).inc()
        meta_id, name, language = identity(command.value)
        row = await self._store.find(tenant, command.waba_id, meta_id, name, language)
        changes = webhook_changes(command.field, command.value)
        gone = changes.get("status") in GONE
        if row is None or row["removed"] or (meta_id and row["meta_id"] != meta_id):  # of a name we may know of old
            known = gone  # what is gone need not be brought
        else:
            known = command.field != "message_template_components_update"
            if changes and known:
                changes |= {"removed": True} if gone else {}
                await self._store.change(row, changes, command.at, command.field, self._clock.now())
        if not known and not self._synced_since(tenant, command.waba_id, said_at):
            await self.sync(tenant, command.waba_id, derived_id("sync", command_id))
        await self.tell()

    async def tell(self) -> None:
        """Publish every change that is not told yet: also those that a crash left behind."""
        while rows := await self._store.untold():
            await self._bus.publish_many([event for row in rows if (event := self._event(row)) is not None])
            await self._store.told(rows)
            for row in rows:
                CHANGES.labels(row["untold"]).inc()

    def _event(self, row: Document) -> Outgoing | None:
        """Return the event of a change; None for a row that cannot be told, which must not hold up all others."""
        try:
            return _changed(row, self._clock.now())
        except (KeyError, ValueError):
            log.exception("change_cannot_be_told", template_id=row["_id"], waba_id=row["waba_id"])
            return None

    async def retry(self) -> None:
        """Take up syncs that Meta could not answer."""
        for job in await self._jobs.to_retry(self._clock.now()):
            for waba_id in job["left"]:
                await self.sync(job["tenant"], waba_id, job["_id"])

    async def _put_off(self, job_id: str, waba_id: str) -> None:
        now = self._clock.now()
        tries = [now + min(FIRST_RETRY * (1 << place), LONGEST_RETRY) for place in range(MOST_TRIES)]
        if await self._jobs.put_off(job_id, tries):
            SYNCS.labels("put_off").inc()
        else:
            await self._end(job_id, waba_id, "meta_unavailable", "Meta did not answer.")

    async def _end(self, job_id: str, waba_id: str, code: str, words: str) -> None:
        error = {"waba_id": waba_id, "code": code, "message": words}
        await self._jobs.finish(job_id, waba_id, {}, error, self._clock.now())
        SYNCS.labels("failed").inc()
        log.warning("sync_failed", waba_id=waba_id, code=code, job_id=job_id)


def _changed(row: Document, now: datetime) -> Outgoing:
    event = TemplateChanged(
        template_id=row["_id"],
        meta_id=row.get("meta_id", ""),
        waba_id=row["waba_id"],
        name=row["name"],
        language=row["language"],
        status=row["status"],
        category=row.get("category", ""),
        quality=row.get("quality", "UNKNOWN"),
        change=row["untold"],
        reason=row.get("rejected_reason"),
        at=row["changed_at"],
    )
    envelope = Envelope(
        id=derived_id("template", row["_id"], row["changed_at"].isoformat()),
        type=event.type_name(),
        source="templates",
        time=now,
        tenant=row["tenant"],
        subject=row["_id"],
    )
    return Outgoing(TEMPLATES_CHANGED, row["waba_id"].encode(), event.to_bytes(), envelope.headers())
