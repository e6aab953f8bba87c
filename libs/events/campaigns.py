"""The language of campaigns: what internal producers ask for, and how far campaigns are."""

from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import Field

from libs.events.messages import MessageError
from libs.events.model import Event
from libs.events.topics import CAMPAIGNS_COMMANDS, CAMPAIGNS_PROGRESS

MOST_ROWS = 1_000  # recipients of one command: it has to fit into a record


class CreateCampaign(Event):
    """Command: make a draft under this id, a UUID of the producer's; `campaign` is the body of `POST /campaigns`."""

    TOPICS: ClassVar[tuple[str, ...]] = (CAMPAIGNS_COMMANDS,)

    campaign_id: str
    campaign: dict[str, Any]


class AddRecipients(Event):
    """Command: add recipients to a draft, rows as in the API, at most 1,000."""

    TOPICS: ClassVar[tuple[str, ...]] = (CAMPAIGNS_COMMANDS,)

    campaign_id: str
    recipients: Annotated[list[Any], Field(max_length=MOST_ROWS)]


class LaunchCampaign(Event):
    """Command: launch a draft; `options` is the body of `POST /campaigns/{id}/launch` without `dry_run`."""

    TOPICS: ClassVar[tuple[str, ...]] = (CAMPAIGNS_COMMANDS,)

    campaign_id: str
    options: Annotated[dict[str, Any], Field(default_factory=dict)]


class PauseCampaign(Event):
    """Command: pause a campaign and take back what is queued."""

    TOPICS: ClassVar[tuple[str, ...]] = (CAMPAIGNS_COMMANDS,)

    campaign_id: str


class ResumeCampaign(Event):
    """Command: go on with a paused campaign."""

    TOPICS: ClassVar[tuple[str, ...]] = (CAMPAIGNS_COMMANDS,)

    campaign_id: str


class CancelCampaign(Event):
    """Command: end a campaign and take back what is queued."""

    TOPICS: ClassVar[tuple[str, ...]] = (CAMPAIGNS_COMMANDS,)

    campaign_id: str


class CampaignProgressed(Event):
    """Event: a campaign's status or counts are new. `counts` are recipients by state, and add up to `recipients`.

    Told at every change of the status, and at most once a second while only counts change: the latest one says all.
    The envelope's id is derived from what it says, so that a repeat carries the same one.
    """

    TOPICS: ClassVar[tuple[str, ...]] = (CAMPAIGNS_PROGRESS,)

    campaign_id: str
    name: str
    phone_number_id: str
    status: str
    pause_reason: str | None = None
    recipients: int
    counts: dict[str, int]
    at: datetime


class CampaignCommandRejected(Event):
    """Event: a command was refused, for good. `command_id` is its envelope's id; the error is that of the API."""

    TOPICS: ClassVar[tuple[str, ...]] = (CAMPAIGNS_PROGRESS,)

    campaign_id: str
    command_id: str
    command: str
    error: MessageError


Command = CreateCampaign | AddRecipients | LaunchCampaign | PauseCampaign | ResumeCampaign | CancelCampaign
COMMANDS: tuple[type[Command], ...] = (
    CreateCampaign, AddRecipients, LaunchCampaign, PauseCampaign, ResumeCampaign, CancelCampaign,
)  # fmt: skip
