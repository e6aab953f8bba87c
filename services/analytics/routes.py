"""The REST side of analytics, reached through edge only."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from libs.directory.directory import Directory
from libs.runtime.clock import Clock, rfc3339
from libs.web.answers import JsonAnswer
from libs.web.calls import PAGE, READ, Call
from libs.web.cursors import listing, page_cursor, page_limit
from libs.web.errors import wrong
from libs.web.identity import Identity
from libs.web.spreadsheets import cell
from services.analytics import queries, reports
from services.analytics.queries import FILTERS, MOST_DAYS_OF_HOURS, SPAN, described
from services.analytics.service import Analyst
from services.analytics.sums_store import Whose

CSV = "text/csv"
AS_OF = "Wabus-As-Of"  # the header that says of a file what `as_of` says of an answer
LINE = (
    "at", "message_id", "wamid", "phone_number_id", "campaign_id", "template", "country", "market", "category",
    "pricing_model", "pricing_type", "billable", "currency", "amount", "rate_card", "billing_conversation", "replaces",
    "replaced_by", "booked_at",
)  # fmt: skip
CONVERSATION = (
    "at", "conversation", "origin_type", "expires_at", "phone_number_id", "country", "pricing_model", "category",
    "billable", "amount",
)  # fmt: skip
USUAL_GROUPS = ("category", "pricing_model", "pricing_type")
# What a line of a conversation says of itself; the other filters are of messages.
OF_CONVERSATIONS = {name: FILTERS[name] for name in ("phone_number_id", "country", "category")}

Document = dict[str, Any]


class AnalyticsRoutes:
    """`/analytics` and what is below."""

    def __init__(self, analyst: Analyst, directory: Directory, clock: Clock) -> None:
        self._analyst = analyst
        self._directory = directory
        self._clock = clock

    def calls(self) -> list[Call]:
        """Return the calls below `/analytics`."""
        series = described(
            FILTERS, days="1 to 90, default 7; the last one is today.", time_zone="IANA name, default UTC.",
            granularity=f"`day` (default), or `hour` for up to {MOST_DAYS_OF_HOURS} days.",
            by="`status` (default), `type` or `direction`.",
        )  # fmt: skip
        groups = {"group_by": f"Some of {', '.join(reports.COST_GROUPS)}, with commas between."}
        asked = described(SPAN, FILTERS)
        listed = described(asked, standing="`true` (default): without the lines that others replace; or `false`.")
        return [
            Call("GET", "/funnel", READ, self.funnel, "Messages by the stage that they reached at least.", query=asked),
            Call("GET", "/timeseries", READ, self.timeseries, "Messages by day or hour.", query=series),
            Call("GET", "/costs", READ, self.costs, "What messages cost, by Meta's price classes.",
                 query=asked | groups),
            Call("GET", "/costs/lines", READ, self.lines, "The charges that costs are made of, newest first.",
                 query=listed | PAGE),
            Call("GET", "/costs/lines/export", READ, self.export, "All of them as CSV.", query=listed, answers=CSV),
            Call("GET", "/costs/volume", READ, self.volume, "The month's charged messages by market and category.",
                 query={"month": "A month of UTC (2026-11); default this one."}),
            Call("GET", "/costs/conversations", READ, self.conversations,
                 "Billing conversations that Meta named, newest first.",
                 query=described(SPAN, OF_CONVERSATIONS, PAGE)),
        ]  # fmt: skip

    async def funnel(self, request: Request, caller: Identity) -> Response:
        """Say how far messages came."""
        query, now = queries.asked(request.query_params), self._clock.now()
        whose = await whose_of(self._directory, caller)
        filters = queries.filters_of(query)
        return JsonAnswer(await self._analyst.funnel(whose, queries.span_of(query, now), filters))

    async def timeseries(self, request: Request, caller: Identity) -> Response:
        """Say what happened, day by day."""
        query, now = queries.asked(request.query_params), self._clock.now()
        whose = await whose_of(self._directory, caller)
        days, zone = queries.days_of(query), queries.zone_of(query)
        hourly = queries.choice_of(query, "granularity", ("day", "hour")) == "hour"
        if hourly and days > MOST_DAYS_OF_HOURS:
            raise wrong("days", f"Must be a whole number from 1 to {MOST_DAYS_OF_HOURS} with the granularity `hour`.")
        by = queries.choice_of(query, "by", (reports.BY_STATUS, reports.BY_TYPE, reports.BY_DIRECTION))
        steps = reports.steps(now, days, zone, hourly)
        answer = await self._analyst.timeseries(whose, steps, queries.filters_of(query), by)
        return JsonAnswer(answer | {"time_zone": zone.key, "by": by})

    async def costs(self, request: Request, caller: Identity) -> Response:
        """Say what it cost."""
        query, now = queries.asked(request.query_params), self._clock.now()
        whose = await whose_of(self._directory, caller)
        groups = queries.choices_of(query, "group_by", reports.COST_GROUPS, USUAL_GROUPS)
        filters = queries.filters_of(query)
        return JsonAnswer(await self._analyst.costs(whose, queries.span_of(query, now), filters, groups))

    async def volume(self, request: Request, caller: Identity) -> Response:
        """Count what volume tiers go by."""
        month = queries.month_of(queries.asked(request.query_params), self._clock.now())
        return JsonAnswer(await self._analyst.volume(await whose_of(self._directory, caller), month))

    async def lines(self, request: Request, caller: Identity) -> Response:
        """List charges."""
        query, now = queries.asked(request.query_params), self._clock.now()
        whose = await whose_of(self._directory, caller)
        limit, after = page_limit(query.get("limit")), page_cursor(query.get("starting_after"))
        span, filters, as_of = queries.span_of(query, now), queries.filters_of(query), await self._analyst.as_of()
        standing = queries.standing_of(query)
        rows = await self._analyst.lines(whose, span, filters, limit + 1, after, standing=standing)
        return JsonAnswer(listing([_shown(row, "cost_line", LINE) for row in rows], limit) | {"as_of": as_of})

    async def conversations(self, request: Request, caller: Identity) -> Response:
        """List billing conversations."""
        query, now = queries.asked(request.query_params), self._clock.now()
        whose = await whose_of(self._directory, caller)
        limit, after = page_limit(query.get("limit")), page_cursor(query.get("starting_after"))
        span, filters, as_of = queries.span_of(query, now), queries.filters_of(query), await self._analyst.as_of()
        rows = await self._analyst.conversations(whose, span, filters, limit + 1, after)
        shown = [_shown(row, "billing_conversation", CONVERSATION) for row in rows]
        return JsonAnswer(listing(shown, limit) | {"as_of": as_of})

    async def export(self, request: Request, caller: Identity) -> Response:
        """Stream charges as CSV."""
        query, whose = queries.asked(request.query_params), await whose_of(self._directory, caller)
        span, filters = queries.span_of(query, self._clock.now()), queries.filters_of(query)
        as_of = await self._analyst.as_of()
        rows = self._analyst.all_lines(whose, span, filters, standing=queries.standing_of(query))
        first: list[Document] = await anext(rows, [])  # a refusal comes before the answer has begun
        named = {"Content-Disposition": 'attachment; filename="cost-lines.csv"', AS_OF: rfc3339(as_of)}
        return StreamingResponse(_printed(first, rows), media_type=CSV, headers=named)


async def whose_of(directory: Directory, caller: Identity) -> Whose:
    """Return whose figures a caller may see."""
    return Whose(caller.tenant, await directory.reach(caller.tenant, caller.mode))


def _shown(row: Document, kind: str, fields: tuple[str, ...]) -> Document:
    return {"id": row["_id"], "object": kind} | {name: row.get(name) for name in fields}


async def _printed(first: list[Document], further: AsyncIterator[list[Document]]) -> AsyncIterator[str]:
    yield ",".join(("id", *LINE)) + "\r\n" + _rows(first)
    async for rows in further:
        yield _rows(rows)


def _rows(rows: list[Document]) -> str:
    written = io.StringIO()
    to = csv.writer(written)
    for row in rows:
        to.writerow([_cell(value) for value in (row["_id"], *(row.get(name) for name in LINE))])
    return written.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return rfc3339(value) if isinstance(value, datetime) else cell(str(value))
