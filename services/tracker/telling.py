"""What the tracker tells others: statuses, inbound messages, and commands to who owns accounts and templates."""

import contextlib
from datetime import datetime

from libs.events.accounts import ApplyAccountUpdate
from libs.events.envelope import Envelope
from libs.events.messages import MessageReceived, MessageStatus
from libs.events.model import Event, Told
from libs.events.templates import ApplyTemplateUpdate
from libs.events.topics import ACCOUNTS_COMMANDS, MESSAGES_INBOUND, TEMPLATES_COMMANDS
from libs.graph.webhooks import Change
from libs.kafka.events import outgoing
from libs.kafka.record import Outgoing
from libs.ledger.inbound import InboundMessage
from libs.ledger.moves import StatusReport
from libs.ledger.people import CUSTOMER_SERVICE_WINDOW
from libs.ledger.record import told
from libs.runtime.ids import derived_id

SOURCE = "tracker"
LARGEST = 900_000  # bytes of an event: topics take 1 MB with headers, and a number may be written longer than it came
TEMPLATE_FIELDS = frozenset({
    "message_template_status_update", "message_template_quality_update", "message_template_components_update",
    "template_category_update",
})  # fmt: skip
ACCOUNT_FIELDS = frozenset({
    "account_update", "account_review_update", "account_alerts", "business_capability_update",
    "phone_number_quality_update", "phone_number_name_update", "security",
})  # fmt: skip
FIELDS = TEMPLATE_FIELDS | ACCOUNT_FIELDS | {"user_preferences", "messages.errors"}  # what a metric may name


def statuses(
    record: dict[str, object], report: StatusReport, now: datetime, trace: str | None = None
) -> list[Outgoing]:
    """Return the event of a status, whether or not its move was new: a crash may have come in between.

    Where the sender died before it could say that the message was accepted, the status proves it: that is told too.
    """
    more = {"wamid": report.wamid or None, "recipient_id": report.recipient_id, "trace": trace}
    events = []
    times = record.get("times")
    if isinstance(times, dict) and MessageStatus.ACCEPTED.value not in times:
        events.append(told(record, MessageStatus.ACCEPTED, report.at, source=SOURCE, now=now, **more))
    event = told(
        record, report.status, report.at, source=SOURCE, now=now, pricing=report.pricing,
        conversation=report.conversation, error=report.error, **more,
    )  # fmt: skip
    return [outgoing(each) for each in [*events, event]]


def received(message: InboundMessage, now: datetime, trace: str | None = None) -> Outgoing:
    """Return the event of an inbound message."""
    event = MessageReceived(
        message_id=message.message_id,
        wamid=message.wamid,
        phone_number_id=message.phone_number_id,
        waba_id=message.waba_id,
        conversation_id=message.conversation_id,
        contact_id=message.contact_id,
        sender=message.sender,
        user_id=message.user_id,
        profile_name=message.profile_name,
        type=message.type,
        at=message.at,
        content=message.content if isinstance(message.content, dict | list) else None,
        context_wamid=message.context_wamid,
        referral=message.referral,
        group_id=message.group_id,
        window_until=message.at + CUSTOMER_SERVICE_WINDOW,
    )
    envelope = Envelope(
        id=derived_id("received", message.message_id),
        type=event.type_name(),
        source=SOURCE,
        time=now,
        tenant=message.tenant,
        subject=message.message_id,
        traceparent=trace or "",
    )
    with contextlib.suppress(ValueError):  # nested more deeply than can be written
        whole = outgoing(Told(MESSAGES_INBOUND, message.conversation_id, envelope, event))
        if len(whole.value or b"") <= LARGEST:
            return whole
    # The record has what it says; the event says that it came.
    event = event.model_copy(update={"content": None, "referral": None})
    return outgoing(Told(MESSAGES_INBOUND, message.conversation_id, envelope, event))


def waba_of(change: Change) -> str:
    """Return the WABA that a change is about: for partner events Meta names it inside the value."""
    info = change.value.get("waba_info")
    named = info.get("waba_id") if isinstance(info, dict) else None
    return str(named) if named else change.waba_id


def command(change: Change, tenant: str, at: datetime, now: datetime) -> Outgoing | None:
    """Return the command that passes a change on to who owns what it is about; None where nobody acts on it."""
    waba_id = waba_of(change)
    event: Event
    if change.field in TEMPLATE_FIELDS:
        topic, event = TEMPLATES_COMMANDS, ApplyTemplateUpdate(
            waba_id=waba_id, field=change.field, value=change.value, at=at
        )  # fmt: skip
    elif change.field in ACCOUNT_FIELDS:
        topic, event = ACCOUNTS_COMMANDS, ApplyAccountUpdate(
            waba_id=waba_id, field=change.field, value=change.value, at=at
        )  # fmt: skip
    else:
        return None
    written = event.to_bytes()
    if len(written) > LARGEST:
        raise ValueError("larger than its topic takes")
    digest = derived_id("change", waba_id, change.field, at.isoformat(), written.decode())
    envelope = Envelope(id=digest, type=event.type_name(), source=SOURCE, time=now, tenant=tenant, subject=waba_id)
    return outgoing(Told(topic, waba_id, envelope, event))
