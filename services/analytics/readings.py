"""Reading events into rows of the history, each with the stamp of where it came from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from libs.events.envelope import Envelope
from libs.events.messages import MessageReceived, MessageStatusChanged
from libs.kafka.batches import Rejected
from libs.kafka.errors import Poison
from libs.kafka.events import read_event
from libs.kafka.record import Record
from libs.ledger.recipients import country_of
from services.analytics.stages import COUNTED

META_TICK = timedelta(seconds=1)
FREE_FORM = "service"  # the category of what is no template, in Meta's word
REPLY_OPEN = "open"

MODELS: tuple[type[MessageStatusChanged | MessageReceived], ...] = (MessageStatusChanged, MessageReceived)

# What a person's phone says by itself, or says of an earlier message: no reply.
NO_REPLIES = frozenset({"system", "edit", "revoke", "request_welcome", "ephemeral", "media_placeholder"})

Document = dict[str, Any]


@dataclass(slots=True)
class Readings:
    """What a batch of records came to."""

    statuses: list[Document] = field(default_factory=list)
    inbound: list[Document] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)  # messages whose person was


def read_batch(records: Sequence[Record], now: datetime) -> Readings:
    """Read records; those that cannot be read are rejected, statuses on the way out are nobody's count."""
    found = Readings()
    for record in records:
        try:
            envelope, event = read_event(record, *MODELS)
        except Poison as poison:
            found.rejected.append(Rejected(record, poison.reason, poison.error))
            continue
        stamp = {"topic": record.topic, "partition": record.partition, "offset": record.offset, "stored_at": now}
        if event.forgotten:
            found.forgotten.append(event.message_id)
        elif isinstance(event, MessageReceived):
            found.inbound.append(_inbound(event, envelope) | stamp)
        elif event.status.value in COUNTED:
            found.statuses.append(_status(event, envelope.tenant) | stamp)
    return found


def _status(event: MessageStatusChanged, tenant: str) -> Document:
    row: Document = {
        "_id": f"{event.message_id}:{event.status.value}",
        "tenant": tenant,
        "message_id": event.message_id,
        "status": event.status.value,
        "at": event.at,
        "created_at": event.created_at,
        "phone_number_id": event.phone_number_id,
        "conversation_id": event.conversation_id,
        "type": event.type,
        "category": (event.category or FREE_FORM).lower(),
        "country": event.country,
        "template": event.template,
        "campaign_id": event.campaign_id,
        "wamid": event.wamid,
    }
    if event.error is not None:
        row["error"] = event.error.code
    if event.pricing is not None:
        row["pricing"] = event.pricing.model_dump(exclude_none=True)
    if event.conversation is not None:
        row["billing"] = event.conversation.model_dump(exclude_none=True)
    return row


def _inbound(event: MessageReceived, envelope: Envelope) -> Document:
    row: Document = {
        "_id": event.message_id,
        "tenant": envelope.tenant,
        "at": event.at,
        # No later than this it was written (Meta's times are whole seconds): what came before ours is no reply to it.
        "written_by": min(envelope.time, event.at + META_TICK),
        "phone_number_id": event.phone_number_id,
        "conversation_id": event.conversation_id,
        "type": event.type,
        "country": country_of(event.user_id or event.sender),
        "context_wamid": event.context_wamid,
    }
    if event.type not in NO_REPLIES:
        row["reply"] = REPLY_OPEN
    return row
