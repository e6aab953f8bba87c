"""Internal producers' way in: the same calls as REST, from Kafka; a refusal is an event, never silence."""

from collections.abc import Awaitable, Callable
from typing import Any

from libs.events.campaigns import (
    COMMANDS,
    AddRecipients,
    CampaignCommandRejected,
    CancelCampaign,
    CreateCampaign,
    LaunchCampaign,
    PauseCampaign,
    ResumeCampaign,
)
from libs.events.envelope import Envelope
from libs.events.topics import CAMPAIGNS_PROGRESS
from libs.kafka.bus import Bus
from libs.kafka.events import read_event
from libs.kafka.record import Record
from libs.runtime.clock import Clock
from libs.runtime.ids import derived_id, is_uuid
from libs.web.answers import to_json
from libs.web.bodies import parse
from libs.web.errors import ApiError
from libs.web.identity import Identity
from services.campaigns.audience import Audience
from services.campaigns.bodies import CreateBody, LaunchBody, ResumeBody
from services.campaigns.errors import wrong_field
from services.campaigns.launcher import Launcher
from services.campaigns.metrics import REFUSED
from services.campaigns.protection import goes_on_by_itself
from services.campaigns.states import CampaignStatus
from services.campaigns.store import CampaignStore

INTERNAL = Identity("", "command", frozenset(), "live")  # commands reach every account of their tenant

Document = dict[str, Any]


class Commands:
    """Handles `campaigns.commands.v1`. A command that comes again changes nothing and is not refused."""

    def __init__(
        self, launcher: Launcher, audience: Audience, campaigns: CampaignStore, bus: Bus, clock: Clock
    ) -> None:
        self._campaigns = campaigns
        self._launcher = launcher
        self._audience = audience
        self._bus = bus
        self._clock = clock
        self._doing: dict[type[Any], Callable[[Identity, Envelope, Any], Awaitable[object]]] = {
            CreateCampaign: self._create, AddRecipients: self._add, LaunchCampaign: self._launch,
            PauseCampaign: self._pause, ResumeCampaign: self._resume, CancelCampaign: self._cancel,
        }  # fmt: skip

    async def take(self, record: Record) -> None:
        """Do what a record asks for. Raises Poison where it cannot be read, and Outage (wait, try again)."""
        envelope, command = read_event(record, *COMMANDS)
        try:
            if not envelope.tenant:
                raise wrong_field("tenant", "The attribute is missing.", "missing_field")
            if not is_uuid(command.campaign_id):
                raise wrong_field("campaign_id", "Must be a UUID.")
            caller = Identity(envelope.tenant, INTERNAL.key_id, INTERNAL.scopes, INTERNAL.mode)
            if not await self._campaigns.has_done(envelope.tenant, command.campaign_id, envelope.id):
                await self._doing[type(command)](caller, envelope, command)
                await self._campaigns.note_done(envelope.tenant, command.campaign_id, envelope.id)
        except ApiError as refusal:
            await self._reject(envelope, command.campaign_id, refusal)

    async def _create(self, caller: Identity, envelope: Envelope, command: CreateCampaign) -> None:
        body, found = (
            parse(CreateBody, to_json(command.campaign)),
            await self._launcher.find(caller, command.campaign_id),
        )
        if found is None:
            await self._launcher.create(caller, body, command.campaign_id, envelope.id)
        elif found.get("created_by") == envelope.id and found["status"] == CampaignStatus.DRAFT and body.recipients:
            await self._audience.add(found, body.recipients)  # whoever of them is there already is a duplicate

    async def _add(self, caller: Identity, _: Envelope, command: AddRecipients) -> None:
        await self._audience.add(await self._launcher.get(caller, command.campaign_id), command.recipients)

    async def _launch(self, caller: Identity, envelope: Envelope, command: LaunchCampaign) -> None:
        body = parse(LaunchBody, to_json(command.options))
        if body.dry_run:
            raise wrong_field("options.dry_run", "A command launches; ask the API what a launch would do.")
        campaign = await self._launcher.get(caller, command.campaign_id)
        if campaign.get("launched_by") != envelope.id:
            await self._launcher.launch(caller, command.campaign_id, body, envelope.id)

    async def _pause(self, caller: Identity, _: Envelope, command: PauseCampaign) -> None:
        found = await self._launcher.get(caller, command.campaign_id)
        if found["status"] != CampaignStatus.PAUSED or goes_on_by_itself(found):
            await self._launcher.pause(caller, command.campaign_id)

    async def _resume(self, caller: Identity, _: Envelope, command: ResumeCampaign) -> None:
        if not await self._is(caller, command.campaign_id, CampaignStatus.RUNNING):
            await self._launcher.resume(caller, command.campaign_id, ResumeBody())

    async def _cancel(self, caller: Identity, _: Envelope, command: CancelCampaign) -> None:
        if not await self._is(caller, command.campaign_id, CampaignStatus.CANCELED):
            await self._launcher.cancel(caller, command.campaign_id)

    async def _is(self, caller: Identity, campaign_id: str, status: CampaignStatus) -> bool:
        found: Document = await self._launcher.get(caller, campaign_id)
        return bool(found["status"] == status)

    async def _reject(self, envelope: Envelope, campaign_id: str, refusal: ApiError) -> None:
        error = refusal.message_error()
        REFUSED.labels(error.code).inc()
        name = envelope.type.partition(".")[0]
        event = CampaignCommandRejected(campaign_id=campaign_id, command_id=envelope.id, command=name, error=error)
        answer = Envelope(
            id=derived_id("rejected", envelope.tenant, envelope.source, envelope.id), type=event.type_name(),
            source="campaigns", time=self._clock.now(), tenant=envelope.tenant, subject=campaign_id,
            correlationid=envelope.correlationid or envelope.id, causationid=envelope.id,
        )  # fmt: skip
        await self._bus.publish(
            CAMPAIGNS_PROGRESS, key=campaign_id.encode(), value=event.to_bytes(), headers=answer.headers()
        )
