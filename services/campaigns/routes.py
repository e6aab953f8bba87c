"""The REST side of campaigns, reached through edge only."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from libs.web.answers import Answer, JsonAnswer
from libs.web.bodies import parse, read_body
from libs.web.calls import PAGE, READ, WRITE, Call
from libs.web.cursors import listing, page_cursor, page_limit
from libs.web.identity import Identity
from services.campaigns.bodies import (
    CreateBody,
    EmptyBody,
    LaunchBody,
    ResumeBody,
    RetryBody,
    UpdateBody,
)
from services.campaigns.launcher import Launcher
from services.campaigns.paths import CAMPAIGN, JSON_LIMIT, campaign_id_of, one_of
from services.campaigns.recipient_store import RecipientStore
from services.campaigns.states import CampaignStatus
from services.campaigns.views import campaign_view, report_view
from services.campaigns.watching import Watching

SEND = "whatsapp:send"
EVENTS = "text/event-stream"

Document = dict[str, Any]


class CampaignRoutes:
    """`/campaigns` and what is below."""

    def __init__(self, launcher: Launcher, recipients: RecipientStore, watching: Watching) -> None:
        self._launcher = launcher
        self._watching = watching
        self._recipients = recipients

    def calls(self) -> list[Call]:
        """Return the calls below `/campaigns`."""
        one, status = CAMPAIGN, {"status": f"Only these: {', '.join(CampaignStatus)}."}
        return [
            Call("POST", "", WRITE, self.create, "Create a campaign as a draft.", 201, CreateBody),
            Call("GET", "", READ, self.page, "List campaigns, newest first.", query=status | PAGE),
            Call("GET", one, READ, self.get, "Read a campaign with its counts."),
            Call("PATCH", one, WRITE, self.update, "Change a draft.", 200, UpdateBody),
            Call("DELETE", one, WRITE, self.remove, "Delete a campaign that is not at work.", 204),
            Call("GET", f"{one}/progress", READ, self.progress, "How far it is: counts by state and by error."),
            Call("GET", f"{one}/progress/stream", READ, self.stream, "The same as server-sent events.", answers=EVENTS),
            Call("POST", f"{one}/launch", SEND, self.launch, "Launch a draft, or say what that would do.", 202,
                 LaunchBody),
            Call("POST", f"{one}/pause", SEND, self.pause, "Pause it; what is queued is taken back.", 202, EmptyBody),
            Call("POST", f"{one}/resume", SEND, self.resume, "Go on with a paused one.", 202, ResumeBody),
            Call("POST", f"{one}/cancel", SEND, self.cancel, "End it; what is queued is taken back.", 202, EmptyBody),
            Call("POST", f"{one}/retry", SEND, self.retry, "Send to those who failed once more.", 202, RetryBody),
        ]  # fmt: skip

    async def create(self, request: Request, caller: Identity) -> Response:
        """Make a draft."""
        body = parse(CreateBody, await read_body(request, JSON_LIMIT))
        campaign, report = await self._launcher.create(caller, body)
        shown = await self._view(campaign)
        return JsonAnswer(shown | ({"report": report_view(report)} if report is not None else {}), 201)

    async def page(self, request: Request, caller: Identity) -> Response:
        """List campaigns."""
        query = request.query_params
        limit, after = page_limit(query.get("limit")), page_cursor(query.get("starting_after"))
        wanted = {"status": one_of("status", query["status"], CampaignStatus)} if "status" in query else {}
        rows = await self._launcher.page(caller, wanted, limit + 1, after)
        counts = await self._recipients.counts([row["_id"] for row in rows])
        return JsonAnswer(listing([campaign_view(row, counts[row["_id"]]) for row in rows], limit))

    async def get(self, request: Request, caller: Identity) -> Response:
        """Read one."""
        return JsonAnswer(await self._view(await self._campaign(request, caller)))

    async def update(self, request: Request, caller: Identity) -> Response:
        """Change a draft."""
        body = parse(UpdateBody, await read_body(request))
        return JsonAnswer(await self._view(await self._launcher.update(caller, campaign_id_of(request), body)))

    async def remove(self, request: Request, caller: Identity) -> Response:
        """Delete one."""
        await self._launcher.remove(caller, campaign_id_of(request))
        return Answer(status_code=204)

    async def progress(self, request: Request, caller: Identity) -> Response:
        """Say how far it is."""
        return JsonAnswer(await self._watching.progress(await self._campaign(request, caller)))

    async def stream(self, request: Request, caller: Identity) -> Response:
        """Say how far it is, again and again."""
        events = self._watching.stream(await self._campaign(request, caller))
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # or proxies would hold events back
        return StreamingResponse(events, headers=headers, media_type=EVENTS)

    async def launch(self, request: Request, caller: Identity) -> Response:
        """Launch, or only plan."""
        body = parse(LaunchBody, await read_body(request) or b"{}")
        if body.dry_run:
            plan = await self._launcher.plan(caller, campaign_id_of(request), body)
            return JsonAnswer({"object": "campaign_plan", "campaign_id": campaign_id_of(request)} | plan)
        return await self._accepted(await self._launcher.launch(caller, campaign_id_of(request), body))

    async def pause(self, request: Request, caller: Identity) -> Response:
        """Pause."""
        parse(EmptyBody, await read_body(request) or b"{}")
        return await self._accepted(await self._launcher.pause(caller, campaign_id_of(request)))

    async def resume(self, request: Request, caller: Identity) -> Response:
        """Go on."""
        body = parse(ResumeBody, await read_body(request) or b"{}")
        return await self._accepted(await self._launcher.resume(caller, campaign_id_of(request), body))

    async def cancel(self, request: Request, caller: Identity) -> Response:
        """End."""
        parse(EmptyBody, await read_body(request) or b"{}")
        return await self._accepted(await self._launcher.cancel(caller, campaign_id_of(request)))

    async def retry(self, request: Request, caller: Identity) -> Response:
        """Once more to those who failed."""
        body = parse(RetryBody, await read_body(request) or b"{}")
        campaign, again = await self._launcher.retry(caller, campaign_id_of(request), body)
        return JsonAnswer(await self._view(campaign) | {"retried": again}, 202)

    async def _accepted(self, campaign: Document) -> Response:
        return JsonAnswer(await self._view(campaign), 202)

    async def _view(self, campaign: Document) -> Document:
        return campaign_view(campaign, (await self._recipients.counts([campaign["_id"]]))[campaign["_id"]])

    async def _campaign(self, request: Request, caller: Identity) -> Document:
        return await self._launcher.get(caller, campaign_id_of(request))
