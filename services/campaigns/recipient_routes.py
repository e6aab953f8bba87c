"""The REST side of a campaign's recipients: adding them, listing them, imports and the export."""

import csv
import io
import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from libs.web.answers import JsonAnswer
from libs.web.bodies import DRAINED, parse, read_body
from libs.web.calls import PAGE, READ, WRITE, Call
from libs.web.cursors import listing, page_cursor, page_limit
from libs.web.errors import ApiError
from libs.web.identity import Identity
from libs.web.multipart import ClientGone
from libs.web.spreadsheets import cell
from services.campaigns.audience import Audience
from services.campaigns.bodies import RecipientsBody
from services.campaigns.imports import Imports
from services.campaigns.launcher import Launcher
from services.campaigns.paths import CAMPAIGN, JSON_LIMIT, campaign_id_of, id_of, one_of
from services.campaigns.recipient_store import FIRST, RecipientStore
from services.campaigns.states import RecipientState, message_id_of, state_of
from services.campaigns.tables import CSV, EXPORT, NDJSON
from services.campaigns.variants import Split
from services.campaigns.views import import_view, recipient_view, report_view

EXPORT_PAGE = 1_000  # recipients read at once

Document = dict[str, Any]


class RecipientRoutes:
    """`/campaigns/{campaign_id}/recipients` and `/imports`."""

    def __init__(self, launcher: Launcher, audience: Audience, imports: Imports, recipients: RecipientStore) -> None:
        self._launcher = launcher
        self._audience = audience
        self._imports = imports
        self._recipients = recipients

    def calls(self) -> list[Call]:
        """Return the calls below `/campaigns/{campaign_id}`."""
        state = {"state": f"Only these: {', '.join(RecipientState)}."}
        people, imports = f"{CAMPAIGN}/recipients", f"{CAMPAIGN}/imports"
        return [
            Call("POST", people, WRITE, self.add, "Add recipients to a draft; CSV or NDJSON of any length.", 200,
                 RecipientsBody, streams=(CSV, NDJSON)),
            Call("GET", people, READ, self.page, "List recipients.", query=state | PAGE),
            Call("GET", f"{people}/export", READ, self.export, "All recipients as CSV.", query=state, answers=CSV),
            Call("GET", imports, READ, self.imports, "List imports, newest first.", query=PAGE),
            Call("GET", f"{imports}/{{import_id}}", READ, self.one_import, "Read what became of an import."),
            Call("GET", f"{imports}/{{import_id}}/errors", READ, self.errors, "Its bad rows as CSV.", answers=CSV),
        ]  # fmt: skip

    async def add(self, request: Request, caller: Identity) -> Response:
        """Add recipients: a list, or a stream."""
        campaign = await self._launcher.get(caller, campaign_id_of(request))
        content_type = request.headers.get("content-type", "application/json")
        if content_type.partition(";")[0].strip().lower() == "application/json":
            body = parse(RecipientsBody, await read_body(request, JSON_LIMIT))
            return JsonAnswer(report_view(await self._audience.add(campaign, body.recipients)))
        chunks = _arriving(request)
        try:
            import_id, report = await self._imports.take(campaign, content_type, chunks)
        except ClientGone:
            raise
        except ApiError:
            await _drain(chunks)
            raise
        errors_url = f"{request.url.path.removesuffix('/recipients')}/imports/{import_id}/errors"
        return JsonAnswer(report_view(report) | {"import_id": import_id, "errors_url": errors_url})

    async def page(self, request: Request, caller: Identity) -> Response:
        """List recipients."""
        campaign, query = await self._launcher.get(caller, campaign_id_of(request)), request.query_params
        limit, after, state = page_limit(query.get("limit")), page_cursor(query.get("starting_after")), _state(request)
        if state is None:
            rows = await self._recipients.page(campaign, limit + 1, after or "")
        else:
            place = await self._recipients.place(campaign, after) if after else FIRST
            rows = await self._recipients.in_state(campaign, state, limit + 1, place)
        return JsonAnswer(listing([recipient_view(row, campaign) for row in rows], limit))

    async def export(self, request: Request, caller: Identity) -> Response:
        """Write all recipients as CSV, as they are read."""
        campaign = await self._launcher.get(caller, campaign_id_of(request))
        lines = self._exported(campaign, _state(request))
        return _csv_answer(lines, f"campaign-{campaign['_id']}.csv")

    async def imports(self, request: Request, caller: Identity) -> Response:
        """List imports."""
        campaign, query = await self._launcher.get(caller, campaign_id_of(request)), request.query_params
        limit, after = page_limit(query.get("limit")), page_cursor(query.get("starting_after"))
        rows = await self._imports.page(campaign, limit + 1, after)
        return JsonAnswer(listing([import_view(row) for row in rows], limit))

    async def one_import(self, request: Request, caller: Identity) -> Response:
        """Read an import."""
        return JsonAnswer(import_view(await self._import(request, caller)))

    async def errors(self, request: Request, caller: Identity) -> Response:
        """Write an import's bad rows as CSV."""
        found = await self._import(request, caller)
        return _csv_answer(self._bad_rows(found["_id"]), f"import-{found['_id']}-errors.csv")

    async def _import(self, request: Request, caller: Identity) -> Document:
        campaign = await self._launcher.get(caller, campaign_id_of(request))
        return await self._imports.get(campaign, id_of(request, "import_id"))

    async def _exported(self, campaign: Document, state: RecipientState | None) -> AsyncIterator[list[Any]]:
        yield list(EXPORT)
        split, after, place = Split(campaign), "", FIRST
        while True:
            if state is None:
                rows = await self._recipients.page(campaign, EXPORT_PAGE, after)
            else:
                rows = await self._recipients.in_state(campaign, state, EXPORT_PAGE, place)
            for row in rows:
                yield _cells(row, campaign, split)
            if len(rows) < EXPORT_PAGE:
                return
            after, place = rows[-1]["_id"], (rows[-1]["round"], rows[-1]["_id"])

    async def _bad_rows(self, import_id: str) -> AsyncIterator[list[Any]]:
        yield ["line", "path", "message"]
        async for row in self._imports.errors(import_id):
            yield [row["line"], row["path"], row["message"]]


def _cells(row: Document, campaign: Document, split: Split) -> list[Any]:
    error = row.get("error") or {}
    components = json.dumps(row["components"], ensure_ascii=False) if row.get("components") is not None else ""
    return [
        row.get("to"), state_of(row, campaign).value, split.counted_as(row["_id"]), row["round"],
        message_id_of(row, campaign), error.get("code"), error.get("message"), components,
    ]  # fmt: skip


def _csv_answer(rows: AsyncIterator[list[Any]], name: str) -> StreamingResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(_csv(rows), headers=headers, media_type=f"{CSV}; charset=utf-8")


async def _csv(rows: AsyncIterator[list[Any]]) -> AsyncIterator[bytes]:
    """Print rows, some of them at a time, no cell being a formula to a spreadsheet: an apostrophe goes before it."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    async for row in rows:
        writer.writerow([cell(each) if isinstance(each, str) else each for each in row])
        if text.tell() > 32 * 1024:
            yield text.getvalue().encode("utf-8", "replace")
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode("utf-8", "replace")


def _state(request: Request) -> RecipientState | None:
    text = request.query_params.get("state")
    return RecipientState(one_of("state", text, RecipientState)) if text is not None else None


async def _arriving(request: Request) -> AsyncIterator[bytes]:
    try:
        async for chunk in request.stream():
            yield chunk
    except ClientDisconnect:
        raise ClientGone("The connection was closed before the body was complete.") from None


async def _drain(chunks: AsyncIterator[bytes]) -> None:
    """Read on without keeping: who is still writing would not see the answer."""
    read = 0
    async for chunk in chunks:
        read += len(chunk)
        if read > DRAINED:
            return
