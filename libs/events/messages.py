"""The language of messages: asked for, refused, due, moved, received."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from libs.events.model import Event
from libs.events.topics import (
    MESSAGES_INBOUND,
    MESSAGES_REJECTED,
    MESSAGES_REQUESTED,
    MESSAGES_STATUS,
    OUTBOUND_BULK,
    OUTBOUND_INTERACTIVE,
)


class MessageStatus(StrEnum):
    """The states of a message; from `accepted` on it only moves forward."""

    QUEUED = "queued"
    SENDING = "sending"
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    SENT = "sent"
    FAILED = "failed"
    DELIVERED = "delivered"
    READ = "read"
    EXPIRED = "expired"
    CANCELED = "canceled"


class Lane(StrEnum):
    """The two ways out: what a person waits for, and what may wait."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


class MetaError(Event):
    """Meta's own words about a failure, kept apart from ours."""

    code: int
    title: str | None = None
    details: str | None = None
    fbtrace_id: str | None = None


class MessageError(Event):
    """Why a message failed or was refused: the same object that the REST API answers with."""

    type: str
    code: str
    message: str
    param: str | None = None
    retryable: bool = False
    meta: MetaError | None = None


class Pricing(Event):
    """Meta's word on the price class of a message, from the status webhook; absent is unknown, not free."""

    billable: bool | None = None
    pricing_model: str | None = None
    type: str | None = None
    category: str | None = None


class BillingConversation(Event):
    """Meta's billing conversation, where the webhook names one."""

    id: str
    origin_type: str | None = None
    expires_at: datetime | None = None


class SendMessage(Event):
    """Command: send one message. `type` says which; the fields are those of its REST body (`POST /messages`,
    `/messages/template`, `/messages/media` and so on).

    The message id is derived from the envelope's source and id: a repeated command is one message. A refusal is a
    MessageRejected event with the same correlation.
    """

    TOPICS: ClassVar[tuple[str, ...]] = (MESSAGES_REQUESTED,)

    type: Literal[
        "text", "template", "image", "document", "audio", "video", "sticker", "interactive", "location", "contacts",
        "reaction",
    ] = "text"  # fmt: skip
    phone_number_id: Annotated[str, Field(min_length=1, max_length=32)]
    to: Annotated[str, Field(min_length=1, max_length=128)]
    text: str | None = None
    preview_url: bool | None = None
    template: str | None = None
    language: str | None = None
    components: list[dict[str, Any]] | None = None
    media_id: str | None = None
    link: str | None = None
    caption: str | None = None
    filename: str | None = None
    voice: bool | None = None
    interactive: dict[str, Any] | None = None
    latitude: float | None = None
    longitude: float | None = None
    name: str | None = None
    address: str | None = None
    contacts: list[dict[str, Any]] | None = None
    message_id: str | None = None
    emoji: str | None = None
    client_ref: str | None = None
    ttl: int | None = None
    reply_to: str | None = None
    send_at: datetime | None = None


class ShowTyping(Event):
    """Command: mark what a person wrote as read, and show them that an answer is being written: until it comes, or for
    25 seconds (Meta's most). As good as can be: nothing is told where it fails, and an old one is passed by.
    """

    TOPICS: ClassVar[tuple[str, ...]] = (MESSAGES_REQUESTED,)

    message_id: str


class MessageRejected(Event):
    """Event: a SendMessage command was refused, and why."""

    TOPICS: ClassVar[tuple[str, ...]] = (MESSAGES_REJECTED,)

    message_id: str
    phone_number_id: str | None = None
    to: str | None = None
    client_ref: str | None = None
    error: MessageError


class MessageDue(Event):
    """Wake-up: this conversation has work in this lane. No text and no phone number in it; may be lost or repeated."""

    TOPICS: ClassVar[tuple[str, ...]] = (OUTBOUND_INTERACTIVE, OUTBOUND_BULK)

    message_id: str
    conversation_id: str


class MessageStatusChanged(Event):
    """Event: a message reached a status. The envelope's id is derived from the message and the status.

    A repeat (Meta's or ours) carries the same id. `at` is Meta's time where Meta told it, else ours. `country` is the
    recipient's (ISO 3166, two letters). With `forgotten` it is the message's last status once more, without the person:
    their data was deleted on request, and whoever keeps something of it deletes that too.
    """

    TOPICS: ClassVar[tuple[str, ...]] = (MESSAGES_STATUS,)

    message_id: str
    status: MessageStatus
    at: datetime
    phone_number_id: str
    waba_id: str
    conversation_id: str
    contact_id: str
    recipient_id: str | None = None
    country: str | None = None
    lane: Lane
    type: str
    template: str | None = None
    language: str | None = None
    category: str | None = None
    campaign_id: str | None = None
    campaign_recipient_id: str | None = None
    campaign_round: int | None = None
    client_ref: str | None = None
    wamid: str | None = None
    attempt: int | None = None
    created_at: datetime
    pricing: Pricing | None = None
    conversation: BillingConversation | None = None
    error: MessageError | None = None
    forgotten: Literal[True] | None = None


class MessageReceived(Event):
    """Event: a user wrote to one of our numbers. `content` is Meta's object for the type, untouched. With `group_id` it
    was said in a group that the number is in: it opens no window, and no bot answers it.

    With `forgotten` it is told once more, without the person and what they wrote: `wamid` and `sender` are empty.
    """

    TOPICS: ClassVar[tuple[str, ...]] = (MESSAGES_INBOUND,)

    message_id: str
    wamid: str
    phone_number_id: str
    waba_id: str
    conversation_id: str
    contact_id: str
    sender: str
    user_id: str | None = None
    profile_name: str | None = None
    type: str
    at: datetime
    content: dict[str, Any] | list[Any] | None = None
    context_wamid: str | None = None
    referral: dict[str, Any] | None = None
    group_id: str | None = None
    window_until: datetime
    forgotten: Literal[True] | None = None
