"""The states of a campaign and of a recipient, and what may follow what. Pure decisions, no I/O."""

from enum import StrEnum

from libs.events.messages import MessageStatus


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
    QUEUED = "queued"
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
    except ValueError:  # sending, unknown: still queued as far as anybody can say
        return None
    if state not in RANKS or reached not in RANKS or RANKS[reached] <= RANKS[state]:
        return None
    return reached
