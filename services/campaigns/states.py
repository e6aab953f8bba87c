"""The states of a campaign and of a recipient, and what may follow what. Pure decisions, no I/O."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from libs.events.messages import MessageStatus
from libs.runtime.ids import time_id_after


class CampaignStatus(StrEnum):
    """Where a campaign stands."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    CANCELED = "canceled"


# What each call is allowed in.
ALLOWED: dict[str, tuple[CampaignStatus, ...]] = {
    "change": (CampaignStatus.DRAFT,),
    "add recipients to": (CampaignStatus.DRAFT,),
    "launch": (CampaignStatus.DRAFT,),
    "pause": (CampaignStatus.RUNNING, CampaignStatus.SCHEDULED),
    "resume": (CampaignStatus.PAUSED,),
    "cancel": (CampaignStatus.SCHEDULED, CampaignStatus.RUNNING, CampaignStatus.PAUSED),
    "retry": (CampaignStatus.PAUSED, CampaignStatus.COMPLETED),
    "delete": (CampaignStatus.DRAFT, CampaignStatus.COMPLETED, CampaignStatus.CANCELED),
}


def allowed_in(status: CampaignStatus) -> list[str]:
    """Return what may be done with a campaign in this state."""
    return [doing.split()[0] for doing, states in ALLOWED.items() if status in states]


class RecipientState(StrEnum):
    """Where a recipient of a campaign stands: every recipient is in exactly one of them."""

    PENDING = "pending"
    SKIPPED = "skipped"
    HELD_OUT = "held_out"
    QUEUED = "queued"
    UNKNOWN = "unknown"
    CANCELED = "canceled"
    EXPIRED = "expired"
    ACCEPTED = "accepted"
    SENT = "sent"
    FAILED = "failed"
    DELIVERED = "delivered"
    READ = "read"


# Of a message on its way: a state is only left for one of a higher rank, so that events may come in any order.
RANKS = {
    RecipientState.QUEUED: 0,
    RecipientState.UNKNOWN: 1,
    RecipientState.CANCELED: 5,
    RecipientState.EXPIRED: 5,
    RecipientState.ACCEPTED: 10,
    RecipientState.SENT: 20,
    RecipientState.FAILED: 30,
    RecipientState.DELIVERED: 40,
    RecipientState.READ: 50,
}


def state_after(state: RecipientState, status: MessageStatus) -> RecipientState | None:
    """Return the state that a message's status moves its recipient to, or None where it says nothing new."""
    try:
        reached = RecipientState(status.value)
    except ValueError:  # sending: still queued as far as anybody can say
        return None
    if state not in RANKS or reached not in RANKS or RANKS[reached] <= RANKS[state]:
        return None
    return reached


def reached(row: Mapping[str, Any], campaign: Mapping[str, Any]) -> bool:
    """Tell whether fan-out has come past a row: rounds are gone through one by one, each in the order of the ids."""
    here: tuple[int, str] = (row["round"], row["_id"])
    return here <= (campaign.get("round", 0), campaign.get("cursor", ""))


def state_of(row: Mapping[str, Any], campaign: Mapping[str, Any]) -> RecipientState:
    """Return where a recipient stands. `queued` is not written into rows: it is what fan-out has come past."""
    state = RecipientState(row["state"])
    return RecipientState.QUEUED if state is RecipientState.PENDING and reached(row, campaign) else state


def message_id_of(row: Mapping[str, Any], campaign: Mapping[str, Any]) -> str | None:
    """Return the id of a recipient's message, None where there is none (yet)."""
    never = row["state"] in (RecipientState.SKIPPED, RecipientState.HELD_OUT)
    return message_id_in_round(row, campaign) if not never and reached(row, campaign) else None


def message_id_in_round(row: Mapping[str, Any], campaign: Mapping[str, Any]) -> str:
    """Return the id that the message of a recipient has in the row's round: derived from campaign, person and round."""
    return time_id_after(campaign["rounds"][str(row["round"])], row["_id"], row["round"])
