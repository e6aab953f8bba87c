"""What callers ask for: funnel, time series and costs, each with the time up to which it is counted."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from libs.pricing.rate_card import card_at
from services.analytics import reports
from services.analytics.buckets import Slice, slices
from services.analytics.counting import Kind
from services.analytics.errors import NoSuchCampaign, NothingCountedYet
from services.analytics.layer_store import LayerStore
from services.analytics.line_store import BILLING, LINES, LineStore
from services.analytics.queries import Span
from services.analytics.reports import Step
from services.analytics.sums_store import SumsStore, Wanted, Whose

PAGE = 1_000  # rows of an export that are held at a time

Document = dict[str, Any]
Filters = dict[str, str]


class Analyst:
    """Reads sums of one tenant, as far as they are of numbers that the caller reaches."""

    def __init__(self, sums: SumsStore, lines: LineStore, layers: LayerStore) -> None:
        self._sums = sums
        self._lines = lines
        self._layers = layers

    async def as_of(self) -> datetime:
        """Return up to when everything is counted. Raises NothingCountedYet."""
        if (found := await self._sums.as_of()) is None:
            raise NothingCountedYet("Counting has only just begun; try again in some seconds.", retry_after=2)
        return found

    async def funnel(self, whose: Whose, span: Span | None, filters: Filters) -> Document:
        """Return the stages that messages made in a span reached."""
        as_of = await self.as_of()
        days = _days(span)
        rows = await self._rows(Wanted(whose, Kind.COHORT, filters), days)
        return _heading("funnel", as_of, span) | reports.funnel(reports.measures(rows, days))

    async def timeseries(self, whose: Whose, steps: Sequence[Step], filters: Filters, by: str) -> Document:
        """Return a row per step."""
        as_of = await self.as_of()
        span = Span(steps[0].start, steps[-1].end)
        parts = [part for step in steps for part in slices(step.start, step.end)]
        rows = await self._rows(Wanted(whose, Kind.MOVED, filters), parts)
        return _heading("timeseries", as_of, span) | {"data": reports.series(rows, steps, by)}

    async def costs(self, whose: Whose, span: Span | None, filters: Filters, groups: Sequence[str]) -> Document:
        """Return what was charged in a span."""
        as_of = await self.as_of()
        days = _days(span)
        rows = await self._rows(Wanted(whose, Kind.COST, filters, groups), days)
        return _heading("costs", as_of, span) | {"group_by": list(groups)} | reports.costs(rows, days, groups)

    async def volume(self, whose: Whose, span: Span) -> Document:
        """Return how many charged messages of a month count for volume tiers, by market and category."""
        as_of = await self.as_of()
        rows = await self._rows(Wanted(whose, Kind.COST, {}, ("country",)), _days(span))
        return _heading("volume", as_of, span) | {"data": reports.volume(rows, card_at(span.start))}

    async def lines(
        self, whose: Whose, span: Span | None, filters: Filters, limit: int, after: str | None, *, standing: bool
    ) -> list[Document]:
        """Return cost lines, newest first; those that `stand`, or those that were replaced too.

        Raises NoSuchCampaign, and Invalid where `after` is no line.
        """
        await self._check_campaign(whose, filters)
        wanted = _between(span) | filters | ({"replaced_by": None} if standing else {})
        return await self._lines.page(LINES, whose, wanted, limit, after)

    async def conversations(
        self, whose: Whose, span: Span | None, filters: Filters, limit: int, after: str | None
    ) -> list[Document]:
        """Return billing conversations, newest first. Raises Invalid where `after` is none of them."""
        return await self._lines.page(BILLING, whose, _between(span) | filters, limit, after)

    async def all_lines(
        self, whose: Whose, span: Span | None, filters: Filters, *, standing: bool
    ) -> AsyncIterator[list[Document]]:
        """Return every cost line, some at a time. Raises NoSuchCampaign with the first."""
        after = None
        while rows := await self.lines(whose, span, filters, PAGE, after, standing=standing):
            yield rows
            after = rows[-1]["_id"]

    async def _rows(self, wanted: Wanted, days: Sequence[Slice]) -> list[Document]:
        await self._check_campaign(wanted.whose, wanted.filters)
        return await self._sums.sums(wanted, await self._layers.current(), days)

    async def _check_campaign(self, whose: Whose, filters: Mapping[str, str]) -> None:
        campaign_id = filters.get("campaign_id")
        if campaign_id is not None and not await self._sums.knows_campaign(whose, campaign_id):
            words = "There is no such campaign, or none of its messages has left yet."
            raise NoSuchCampaign(words, param="campaign_id")


def _days(span: Span | None) -> list[Slice]:
    return list(slices(span.start, span.end)) if span is not None else []


def _between(span: Span | None) -> Document:
    return {"at": {"$gte": span.start, "$lt": span.end}} if span is not None else {}


def _heading(kind: str, as_of: datetime, span: Span | None) -> Document:
    return {
        "object": kind, "as_of": as_of, "from": span.start if span else None, "to": span.end if span else None,
    }  # fmt: skip
