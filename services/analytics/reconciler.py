"""The job that compares with Meta: each account once in `every`, one process of analytics at a time."""

from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog

from libs.directory.directory import Directory
from libs.directory.entries import AccountEntry
from libs.graph.errors import GraphFailure, GraphRefused
from libs.graph.pricing import PricePoint, PriceReport
from libs.runtime.clock import Clock
from libs.runtime.periodic import Periodic
from services.analytics import metrics
from services.analytics.buckets import ceiling, floor, slices
from services.analytics.counting import Kind
from services.analytics.layer_store import LayerStore
from services.analytics.reconciliation import Counted, Days, compared, days_of, drift_by_category
from services.analytics.reconciliation_store import ReconciliationStore
from services.analytics.reports import measures_in
from services.analytics.sums_store import SumsStore, Wanted, Whose

LOOK_EVERY = timedelta(minutes=1)  # between looks for accounts whose turn has come
BACK = timedelta(days=8)  # that are compared again each time: statuses and Meta's own numbers come late
AGAIN = timedelta(hours=1)  # after a turn on which Meta did not answer
UNREACHABLE = "meta_unavailable"

Document = dict[str, Any]
log = structlog.get_logger()


class Pricing(Protocol):
    """What is asked of Graph."""

    async def by_day(self, waba_id: str, token: str, start: datetime, end: datetime) -> PriceReport:
        """Read what an account was charged."""
        ...


class Turn(Protocol):
    """The right to be the one who compares."""

    async def hold(self) -> bool:
        """Take or keep it; -> whether it is ours."""
        ...


class Reconciler(Periodic):
    """Compares the last days of every active account."""

    def __init__(
        self, directory: Directory, graph: Pricing, sums: SumsStore, layers: LayerStore, store: ReconciliationStore,
        turn: Turn, clock: Clock, every: timedelta,
    ) -> None:  # fmt: skip
        super().__init__(min(every, LOOK_EVERY).total_seconds())
        self._directory = directory
        self._graph = graph
        self._sums = sums
        self._layers = layers
        self._store = store
        self._turn = turn
        self._clock = clock
        self._interval = every

    async def _round(self) -> None:
        if not await self._turn.hold():
            return
        async for account in self._due():
            if not await self._turn.hold() or (as_of := await self._sums.as_of()) is None:
                return
            await self._take_turn(account, as_of)
        drift = drift_by_category(await self._store.complete_since(self._clock.now() - BACK))
        for category in metrics.DRIFT_CATEGORIES:
            metrics.DRIFT.labels(category).set(drift[category])

    async def _due(self) -> AsyncIterator[AccountEntry]:
        resting = await self._store.resting(self._clock.now())
        for account in await self._directory.active_accounts():
            if (account.tenant, account.waba_id) not in resting:
                yield account

    async def _take_turn(self, account: AccountEntry, as_of: datetime) -> None:
        now = self._clock.now()
        start = floor(now - BACK)
        try:
            report = await self._graph.by_day(account.waba_id, account.access_token.get_secret_value(), start, now)
        except GraphFailure as failure:
            code = failure.error.verdict.code if isinstance(failure, GraphRefused) else UNREACHABLE
            log.info("reconciliation_put_off", waba_id=account.waba_id, reason=code)
            metrics.COMPARED.labels("failed").inc()
            await self._store.rest(account.tenant, account.waba_id, now + min(AGAIN, self._interval), {"error": code})
            return
        points: dict[datetime, list[PricePoint]] = defaultdict(list)
        for point in report.points:
            points[point.start].append(point)
        days = [
            {"start": day.start, "end": day.end, "complete": day.end <= as_of, "currency": report.currency,
             "entries": compared(points[day.start], await self._counted(account, day), report.currency)}
            for day in days_of(report.points, start, now)
        ]  # fmt: skip
        await self._store.keep(account.tenant, account.waba_id, days, start, now)
        metrics.COMPARED.labels("compared").inc()
        said = {"compared_at": now, "error": None}
        await self._store.rest(account.tenant, account.waba_id, now + self._interval, said)

    async def _counted(self, account: AccountEntry, day: Days) -> list[Counted]:
        """Return what we count of an account's numbers on a day."""
        parts = {it.day: it for it in slices(floor(day.start), ceiling(day.end))}
        numbers = {
            number.phone_number_id for number in await self._directory.numbers_of.get(account.tenant)
            if number.waba_id == account.waba_id
        }  # fmt: skip
        wanted = Wanted(Whose(account.tenant), Kind.COST, {}, ("phone_number_id",))
        rows = await self._sums.sums(wanted, await self._layers.current(), list(parts.values()))
        return [
            (row, measures_in(row, parts[row["day"]])) for row in rows if row.get("phone_number_id") in numbers
        ]  # fmt: skip
