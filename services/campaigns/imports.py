"""Imports: a stream of recipients of any length, checked and added as it arrives, nothing of it held."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from libs.runtime.clock import Clock
from libs.web.errors import ApiError, FieldProblem
from services.campaigns.audience import BREATH, Audience, Intent, Report
from services.campaigns.errors import ImportRunning, NoSuchImport
from services.campaigns.import_store import ImportStatus, ImportStore
from services.campaigns.tables import media_type_of, rows_of

MOST_ERRORS = 100_000  # bad rows kept of an import: more are only counted
MOST_BETWEEN = 2_000  # rows, bad ones included, between two signs of life
ALIVE = timedelta(seconds=60)  # without a sign of life an import is taken for dead

Document = dict[str, Any]


class Imports:
    """Takes streams, and says what became of them."""

    def __init__(self, store: ImportStore, audience: Audience, clock: Clock) -> None:
        self._store = store
        self._audience = audience
        self._clock = clock

    async def take(self, campaign: Document, content_type: str, chunks: AsyncIterator[bytes]) -> tuple[str, Report]:
        """Add the rows of a stream; -> the import's id and what became of its rows.

        What breaks the stream (`rows_of` names it) is raised with what was added before in its body, and the import is
        `incomplete`; the same stream again adds who is missing.
        """
        media_type = media_type_of(content_type)
        intent = await self._audience.begin(campaign)
        import_id = await self._store.begin(campaign, media_type, self._clock.now())
        running = _Running(self._store, campaign, import_id, intent, self._clock)
        try:
            async for row in rows_of(media_type, chunks):
                running.line, running.rows = row.line, running.rows + 1
                await running.take(row.value, row.problem)
                if running.rows % BREATH == 0:
                    await asyncio.sleep(0)
            await running.flush()
        except BaseException as error:
            await self._broke(campaign, running, error)
            raise
        await running.end(ImportStatus.COMPLETED, None)
        await self._audience.end(campaign, intent.report)
        return import_id, intent.report

    async def get(self, campaign: Document, import_id: str) -> Document:
        """Return an import; raises NoSuchImport."""
        found = await self._store.get(campaign, import_id)
        if found is None:
            raise NoSuchImport("The campaign has no such import.", param="import_id")
        return self._as_it_is(found)

    async def page(self, campaign: Document, limit: int, after: str | None) -> list[Document]:
        """Return a campaign's imports, newest first."""
        return [self._as_it_is(row) for row in await self._store.page(campaign, limit, after)]

    def errors(self, import_id: str) -> AsyncIterator[Document]:
        """Return the bad rows of an import."""
        return self._store.errors(import_id)

    async def check_none_runs(self, campaign: Document) -> None:
        """Raise ImportRunning where recipients are still coming in."""
        if await self._store.running(campaign, self._clock.now() - ALIVE):
            raise ImportRunning("Recipients are still being imported; launch when that is done.", retry_after=5)

    async def incomplete(self, campaign: Document) -> int:
        """Count the imports that broke off."""
        return await self._store.incomplete(campaign, self._clock.now() - ALIVE)

    async def forget(self, campaign_id: str) -> None:
        """Delete what is kept of a campaign that is gone."""
        await self._store.forget(campaign_id)

    def _as_it_is(self, row: Document) -> Document:
        """Return an import with its status: one without a sign of life for long died with its process."""
        died = row["status"] == ImportStatus.RUNNING and row["touched_at"] < self._clock.now() - ALIVE
        return row | {"status": ImportStatus.INCOMPLETE.value, "error": "The import was interrupted."} if died else row

    async def _broke(self, campaign: Document, running: "_Running", error: BaseException) -> None:
        report = running.intent.report
        if isinstance(error, ApiError):
            so_far = {name: getattr(report, name) for name in ("added", "duplicates", "invalid")}
            error.more = {"import_id": running.import_id, "line": running.line} | so_far | error.more
        words = error.message if isinstance(error, ApiError) else "The import was interrupted."
        await running.end(ImportStatus.INCOMPLETE, words)
        await self._audience.end(campaign, report)


class _Running:
    """One import at work."""

    def __init__(
        self, store: ImportStore, campaign: Document, import_id: str, intent: Intent, clock: Clock
    ) -> None:  # fmt: skip
        self.import_id, self.intent, self.line, self.rows = import_id, intent, 0, 0
        self._store = store
        self._campaign = campaign
        self._clock = clock
        self._errors: list[Document] = []
        self._kept = 0
        self._since = 0  # rows since the last sign of life

    async def take(self, value: Any, problem: str | None) -> None:
        """Check a row, and add what is gathered where it is time."""
        if problem is not None:
            found = [FieldProblem("row", problem)]
            self.intent.report.refused(found, self.line)
        else:
            found = self.intent.take(value, line=self.line)
        if found and self._kept < MOST_ERRORS:
            self._kept += 1
            self._errors.append({
                "import_id": self.import_id, "campaign_id": self._campaign["_id"], "line": self.line,
                "path": found[0].path, "message": found[0].message,
            })  # fmt: skip
        self._since += 1
        if self.intent.full or self._since >= MOST_BETWEEN:
            await self.flush()

    async def flush(self) -> None:
        """Add what is gathered, and say how far it is."""
        await self.intent.add()
        self._since = 0
        if self._errors:
            rows, self._errors = self._errors, []
            await self._store.note_errors(rows)
        await self._store.note(self.import_id, self._counts() | {"touched_at": self._clock.now()})

    async def end(self, status: ImportStatus, words: str | None) -> None:
        """Say how it ended."""
        if self._errors:
            rows, self._errors = self._errors, []
            await self._store.note_errors(rows)
        ended = {"status": status.value, "error": words, "ended_at": self._clock.now()}
        await self._store.note(self.import_id, self._counts() | ended)

    def _counts(self) -> Document:
        report = self.intent.report
        return {
            "lines": self.line, "added": report.added, "duplicates": report.duplicates, "invalid": report.invalid,
            "errors_truncated": report.invalid > self._kept,
        }  # fmt: skip
