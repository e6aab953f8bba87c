"""The REST side of campaigns, reached through edge only."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from libs.runtime.ids import is_uuid
from libs.web.answers import Answer, JsonAnswer
from libs.web.bodies import parse, read_body
from libs.web.calls import PAGE, READ, WRITE, Call
from libs.web.cursors import listing, page_cursor, page_limit
from libs.web.identity import Identity
from services.campaigns.audience import Audience
from services.campaigns.bodies import (
    CreateBody,
    EmptyBody,
    LaunchBody,
    RecipientsBody,
    ResumeBody,
    RetryBody,
    UpdateBody,
)
from services.campaigns.errors import NoSuchCampaign, wrong_field
from services.campaigns.launcher import Launcher
from services.campaigns.recipient_store import FIRST, RecipientStore
from services.campaigns.states import CampaignStatus, RecipientState
from services.campaigns.store import CampaignStore
from services.campaigns.views import campaign_view, progress_view, recipient_view, report_view

SEND = "whatsapp:send"
ONE = "/{campaign_id}"
MOST_CODES = 50  # error codes in one answer
JSON_LIMIT = 16 * 1024 * 1024  # bytes: 10,000 recipients with their values

Document = dict[str, Any]


class CampaignRoutes:
    """`/campaigns` and what is below."""

    def __init__(
        self, launcher: Launcher, audience: Audience, campaigns: CampaignStore, recipients: RecipientStore
    ) -> None:
        self._launcher = launcher
        self._audience = audience
        self._campaigns = campaigns
        self._recipients = recipients

    def calls(self) -> list[Call]:
        """Return the calls below `/campaigns`."""
        status = {"status": f"Only these: {', '.join(CampaignStatus)}."}
        state = {"state": f"Only these: {', '.join(RecipientState)}."}
        return [
            Call("POST", "", WRITE, self.create, "Create a campaign as a draft.", 201, CreateBody),
            Call("GET", "", READ, self.page, "List campaigns, newest first.", query=status | PAGE),
            Call("GET", ONE, READ, self.get, "Read a campaign with its counts."),
            Call("PATCH", ONE, WRITE, self.update, "Change a draft.", 200, UpdateBody),
            Call("DELETE", ONE, WRITE, self.remove, "Delete a campaign that is not at work.", 204),
            Call("POST", f"{ONE}/recipients", WRITE, self.add, "Add recipients to a draft.", 200, RecipientsBody),
            Call("GET", f"{ONE}/recipients", READ, self.recipients, "List recipients.", query=state | PAGE),
            Call("GET", f"{ONE}/progress", READ, self.progress, "How far it is: counts by state and by error."),
            Call("POST", f"{ONE}/launch", SEND, self.launch, "Launch a draft, or say what that would do.", 202,
                 LaunchBody),
            Call("POST", f"{ONE}/pause", SEND, self.pause, "Pause it; what is queued is taken back.", 202, EmptyBody),
            Call("POST", f"{ONE}/resume", SEND, self.resume, "Go on with a paused one.", 202, ResumeBody),
            Call("POST", f"{ONE}/cancel", SEND, self.cancel, "End it; what is queued is taken back.", 202, EmptyBody),
            Call("POST", f"{ONE}/retry", SEND, self.retry, "Send to those who failed once more.", 202, RetryBody),
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
        wanted = {"status": _one_of("status", query["status"], CampaignStatus)} if "status" in query else {}
        rows = await self._campaigns.page(caller.tenant, wanted, limit + 1, after)
        counts = await self._recipients.counts([row["_id"] for row in rows])
        return JsonAnswer(listing([campaign_view(row, counts[row["_id"]]) for row in rows], limit))

    async def get(self, request: Request, caller: Identity) -> Response:
        """Read one."""
        return JsonAnswer(await self._view(await self._campaign(request, caller)))

    async def update(self, request: Request, caller: Identity) -> Response:
        """Change a draft."""
        body = parse(UpdateBody, await read_body(request))
        return JsonAnswer(await self._view(await self._launcher.update(caller, _id(request), body)))

    async def remove(self, request: Request, caller: Identity) -> Response:
        """Delete one."""
        await self._launcher.remove(caller, _id(request))
        return Answer(status_code=204)

    async def add(self, request: Request, caller: Identity) -> Response:
        """Add recipients."""
        campaign = await self._campaign(request, caller)
        body = parse(RecipientsBody, await read_body(request, JSON_LIMIT))
        return JsonAnswer(report_view(await self._audience.add(campaign, body.recipients)))

    async def recipients(self, request: Request, caller: Identity) -> Response:
        """List recipients."""
        campaign, query = await self._campaign(request, caller), request.query_params
        limit, after = page_limit(query.get("limit")), page_cursor(query.get("starting_after"))
        state = RecipientState(_one_of("state", query["state"], RecipientState)) if "state" in query else None
        if state is None:
            rows = await self._recipients.page(campaign, limit + 1, after or "")
        else:
            place = await self._recipients.place(campaign, after) if after else FIRST
            rows = await self._recipients.in_state(campaign, state, limit + 1, place)
        return JsonAnswer(listing([recipient_view(row, campaign) for row in rows], limit))

    async def progress(self, request: Request, caller: Identity) -> Response:
        """Say how far it is."""
        campaign = await self._campaign(request, caller)
        counts = (await self._recipients.split_counts([campaign["_id"]]))[campaign["_id"]]
        errors = await self._recipients.errors(caller.tenant, campaign["_id"], MOST_CODES)
        return JsonAnswer(progress_view(campaign, counts, errors))

    async def launch(self, request: Request, caller: Identity) -> Response:
        """Launch, or only plan."""
        body = parse(LaunchBody, await read_body(request) or b"{}")
        if body.dry_run:
            plan = await self._launcher.plan(caller, _id(request), body)
            return JsonAnswer({"object": "campaign_plan", "campaign_id": _id(request)} | plan)
        return await self._accepted(await self._launcher.launch(caller, _id(request), body))

    async def pause(self, request: Request, caller: Identity) -> Response:
        """Pause."""
        parse(EmptyBody, await read_body(request) or b"{}")
        return await self._accepted(await self._launcher.pause(caller, _id(request)))

    async def resume(self, request: Request, caller: Identity) -> Response:
        """Go on."""
        body = parse(ResumeBody, await read_body(request) or b"{}")
        return await self._accepted(await self._launcher.resume(caller, _id(request), body))

    async def cancel(self, request: Request, caller: Identity) -> Response:
        """End."""
        parse(EmptyBody, await read_body(request) or b"{}")
        return await self._accepted(await self._launcher.cancel(caller, _id(request)))

    async def retry(self, request: Request, caller: Identity) -> Response:
        """Once more to those who failed."""
        body = parse(RetryBody, await read_body(request) or b"{}")
        campaign, again = await self._launcher.retry(caller, _id(request), body)
        return JsonAnswer(await self._view(campaign) | {"retried": again}, 202)

    async def _accepted(self, campaign: Document) -> Response:
        return JsonAnswer(await self._view(campaign), 202)

    async def _view(self, campaign: Document) -> Document:
        return campaign_view(campaign, (await self._recipients.counts([campaign["_id"]]))[campaign["_id"]])

    async def _campaign(self, request: Request, caller: Identity) -> Document:
        return await self._launcher.get(caller, _id(request))


def _id(request: Request) -> str:
    campaign_id: str = request.path_params["campaign_id"]
    if not is_uuid(campaign_id):
        raise NoSuchCampaign("There is no such campaign.", param="campaign_id")
    return campaign_id


def _one_of(name: str, text: str, kind: type[CampaignStatus] | type[RecipientState]) -> str:
    try:
        return kind(text).value
    except ValueError:
        raise wrong_field(name, f"Must be one of {', '.join(kind)}.") from None
