"""The message record as it lies in MongoDB, and the words in which it is told to others."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pydantic_core import to_json
from pymongo import ASCENDING, DESCENDING, IndexModel

from libs.events.envelope import Envelope
from libs.events.messages import Lane, MessageDue, MessageError, MessageStatus, MessageStatusChanged
from libs.events.model import Told
from libs.events.topics import MESSAGES_STATUS, OUTBOUND_BULK, OUTBOUND_INTERACTIVE
from libs.ledger.recipients import country_of
from libs.runtime.ids import derived_id, new_id

MESSAGES = "messages"

WAKE_UP_TOPICS = {Lane.INTERACTIVE.value: OUTBOUND_INTERACTIVE, Lane.BULK.value: OUTBOUND_BULK}

# How far ahead the insert sets `due`: more than a lane may wait (30 s) before the sweeper looks at the record.
FIRST_LOOK = timedelta(seconds=45)

INDEXES = {
    MESSAGES: [
        # The oldest open message of a conversation and lane. Partial: a message leaves it when it is settled.
        IndexModel(
            [("tenant", ASCENDING), ("conversation_id", ASCENDING), ("lane", ASCENDING), ("_id", ASCENDING)],
            name="open",
            partialFilterExpression={"open": True},
        ),
        # What the sweeper looks at next.
        IndexModel([("due", ASCENDING)], name="due", partialFilterExpression={"due": {"$exists": True}}),
        # An idempotency key and its message are one insert.
        IndexModel(
            [("tenant", ASCENDING), ("idempotency.key", ASCENDING)],
            name="idempotency",
            unique=True,
            partialFilterExpression={"idempotency.key": {"$exists": True}},
        ),
        # Lists, newest first; a list over all numbers of a tenant merges one scan per number.
        IndexModel([("tenant", ASCENDING), ("phone_number_id", ASCENDING), ("_id", DESCENDING)], name="by_number"),
        # Whether a file that somebody asks for came to this tenant. Partial: few messages carry one.
        IndexModel(
            [("tenant", ASCENDING), ("media_id", ASCENDING)],
            name="media",
            partialFilterExpression={"media_id": {"$exists": True}},
        ),
        # Lists of one conversation.
        IndexModel([("tenant", ASCENDING), ("conversation_id", ASCENDING), ("_id", DESCENDING)], name="thread"),
    ]
}


@dataclass(frozen=True, slots=True)
class Idempotency:
    """A client's key, scoped to the tenant, with the fingerprint of method, path and body."""

    key: str
    fingerprint: str


@dataclass(slots=True)
class OutboundDraft:
    """A message as the intake checked it, before it is stored.

    `content` is the part of Graph's body that says what to send (`{"type": "text", "text": {...}}`). `recipient` is a
    phone number in E.164 or a business-scoped user id. `send_at` is a time ahead of us, or None for now. `same_as` is a
    field of the request and the conversation that the message has to belong to because of it. `needs_consent` is for
    who checks it: only people who agreed may be written to. `trace` is the step of a recorded trace that asked for it.
    """

    message_id: str
    tenant: str
    waba_id: str
    phone_number_id: str
    recipient: str
    content: dict[str, Any]
    lane: Lane
    created_at: datetime
    expires_at: datetime
    template: dict[str, str] | None = None
    client_ref: str | None = None
    campaign_id: str | None = None
    idempotency: Idempotency | None = None
    correlation_id: str = ""
    send_at: datetime | None = None
    reply_to: str | None = None
    same_as: tuple[str, str] | None = None
    contact_id: str = ""
    conversation_id: str = ""
    first_look: timedelta = FIRST_LOOK
    needs_consent: bool = False
    trace: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def goes_at(self) -> datetime:
        """When it is to go: now, or at the time it was put off for."""
        return self.send_at or self.created_at

    @property
    def free_form(self) -> bool:
        """Whether it may only go inside the customer service window."""
        return self.template is None

    def document(self) -> dict[str, Any]:
        """Return the record to insert: queued and due, and open unless it waits for its time."""
        document: dict[str, Any] = {
            "_id": self.message_id,
            "tenant": self.tenant,
            "direction": "outbound",
            "waba_id": self.waba_id,
            "phone_number_id": self.phone_number_id,
            "conversation_id": self.conversation_id,
            "contact_id": self.contact_id,
            "recipient": self.recipient,
            "lane": self.lane.value,
            "type": self.content["type"],
            # As text: keys of a client's own objects may hold `$`, `.` and NUL without harm.
            "content": to_json(self.content).decode(),
            "state": MessageStatus.QUEUED.value,
            "rank": 0,
            "due": self.send_at or self.created_at + self.first_look,
            "created_at": self.created_at,
            "expires_at": self.expires_at,
            "times": {MessageStatus.QUEUED.value: self.created_at},
            "history": [{"status": MessageStatus.QUEUED.value, "at": self.created_at}],
            "correlation_id": self.correlation_id,
        } | self.extra
        if self.send_at is None:
            document["open"] = True  # else the sweeper opens it when it is due: until then it holds nobody back
        for name in ("template", "client_ref", "campaign_id", "send_at", "reply_to", "trace"):
            if (value := getattr(self, name)) is not None:
                document[name] = value
        if self.idempotency is not None:
            document["idempotency"] = {"key": self.idempotency.key, "fingerprint": self.idempotency.fingerprint}
        return document


# What goes into the events of a message as it lies in its record.
_CARRIED = ("campaign_id", "campaign_recipient_id", "campaign_round", "client_ref")


def told(
    document: dict[str, Any], status: MessageStatus, at: datetime, *, source: str, now: datetime,
    trace: str | None = None, **more: Any,
) -> Told:  # fmt: skip
    """Return the event that says this record reached this status; its id is the same each time it is told.

    `trace` is the step of the record's trace that found it out; else the event goes on from the record's own.
    """
    error = document.get("error") if status is MessageStatus.FAILED else None
    template = document.get("template") or {}
    event = MessageStatusChanged(
        message_id=document["_id"],
        status=status,
        at=at,
        phone_number_id=document["phone_number_id"],
        waba_id=document["waba_id"],
        conversation_id=document["conversation_id"],
        contact_id=document["contact_id"],
        country=document["country"] if "country" in document else country_of(document["recipient"]),
        lane=Lane(document["lane"]),
        type=document["type"],
        template=template.get("name"),
        language=template.get("language"),
        category=template.get("category"),
        **{name: document.get(name) for name in _CARRIED},
        created_at=document["created_at"],
        **{"error": MessageError.model_validate(error) if error else None, "wamid": _wamid(document)} | more,
    )
    envelope = Envelope(
        id=derived_id(document["_id"], status.value),
        type=MessageStatusChanged.type_name(),
        source=source,
        time=now,
        tenant=document["tenant"],
        subject=document["_id"],
        correlationid=document.get("correlation_id", ""),
        traceparent=trace or document.get("trace", ""),
    )
    return Told(MESSAGES_STATUS, document["conversation_id"], envelope, event)


def wake_up(document: dict[str, Any], *, source: str, now: datetime) -> Told:
    """Return the event that says that this record's conversation has work for the sender."""
    event = MessageDue(message_id=document["_id"], conversation_id=document["conversation_id"])
    envelope = Envelope(
        id=new_id(),
        type=MessageDue.type_name(),
        source=source,
        time=now,
        tenant=document["tenant"],
        subject=document["_id"],
        correlationid=document.get("correlation_id", ""),
    )
    return Told(WAKE_UP_TOPICS[document["lane"]], document["phone_number_id"], envelope, event)


def _wamid(document: dict[str, Any]) -> str | None:
    wamids = document.get("wamids")
    return wamids[-1] if wamids else None
