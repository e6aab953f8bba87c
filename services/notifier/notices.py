"""What customers are told: our events under their public names, as the API would show the thing itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from libs.directory import reach
from libs.events.accounts import AccountChanged
from libs.events.conversations import ConversationHandedOver
from libs.events.envelope import Envelope
from libs.events.messages import MessageReceived, MessageStatus, MessageStatusChanged
from libs.events.model import Event
from libs.events.templates import TemplateChanged
from libs.runtime.ids import derived_id
from libs.web.answers import to_json
from services.notifier.event_types import DISABLED, TEST

Data = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Notice:
    """One event for a customer. Its id comes from our event's, so that a repeat is known as one.

    `trace` is the step of a recorded trace in which it was read.
    """

    event_id: str
    type: str
    tenant: str
    at: datetime
    data: Mapping[str, Any]
    phone_number_id: str | None = None
    trace: str | None = None
    by_test_key: bool = False

    def is_within(self, reached: reach.Reach) -> bool:
        """Tell whether it is about something that is reached; about no account, whether a test key made it."""
        if self.phone_number_id is not None:
            return reached.has_number(self.phone_number_id)
        if (waba_id := self.data.get("waba_id")) is not None:
            return reached.has_account(waba_id)
        return self.by_test_key or not reached.test

    def body(self) -> bytes:
        """Return the bytes that are stored, signed and sent, the same at each attempt."""
        said = {"id": self.event_id, "type": self.type, "timestamp": self.at, "data": self.data}
        return to_json(said)

    def addressed(self, to: str | None) -> "Notice":
        """Return the same with its recipient, where it is about a message that has one."""
        return self if to is None else replace(self, data={**self.data, "to": to})


def notice_of(envelope: Envelope, event: Event) -> Notice | None:
    """Return what an event of ours says to its tenant; None where it is not for customers (keys, tenants)."""
    if isinstance(event, MessageStatusChanged):
        name, data = f"message.{event.status.value}", _status(event)
    elif isinstance(event, MessageReceived):
        name, data = "message.received", _received(event)
    elif isinstance(event, TemplateChanged):
        name, data = "template.changed", _template(event)
    elif isinstance(event, AccountChanged) and event.kind in ("account", "number"):
        name, data = f"{event.kind}.changed", _account(event)
    elif isinstance(event, ConversationHandedOver):
        name, data = "conversation.handed_over", _conversation(event)
    else:
        return None
    number = getattr(event, "phone_number_id", None)
    return Notice(event_id_of(envelope.tenant, envelope.id), name, envelope.tenant, event.at, data, number)


def event_id_of(tenant: str, envelope_id: str) -> str:
    """Return the public id of an event of ours."""
    return derived_id("notice", tenant, envelope_id)


def events_of_message(tenant: str, message_id: str) -> Sequence[str]:
    """Return the public ids of all events that there may be about a message, inbound or outbound."""
    ours = [derived_id("received", message_id), *(derived_id(message_id, status.value) for status in MessageStatus)]
    return [event_id_of(tenant, each) for each in ours]


def test_notice(tenant: str, endpoint_id: str, event_id: str, now: datetime) -> Notice:
    """Return the event that a customer asks for to try an endpoint."""
    data = {"endpoint_id": endpoint_id, "message": "This is a test: your endpoint was reached."}
    return Notice(event_id, TEST, tenant, now, data)


def disabled_notice(endpoint: Mapping[str, Any], reason: str, since: datetime, now: datetime) -> Notice:
    """Return the event that tells a tenant's other endpoints that this one was disabled; one per run of failures."""
    data = {
        "id": endpoint["_id"], "object": "webhook_endpoint", "url": endpoint["url"], "status": "disabled",
        "disabled_reason": reason, "failing_since": since,
    }  # fmt: skip
    event_id = derived_id("disabled", endpoint["_id"], since.isoformat())
    return Notice(event_id, DISABLED, endpoint["tenant"], now, data, by_test_key=endpoint.get("mode") == reach.TEST)


def _status(event: MessageStatusChanged) -> Data:
    template = {"name": event.template, "language": event.language, "category": event.category}
    return _message(event) | {
        "direction": "outbound",
        "status": event.status.value,
        "at": event.at,
        "to": None,
        "recipient_id": event.recipient_id,
        "lane": event.lane.value,
        "template": template if event.template else None,
        "client_ref": event.client_ref,
        "campaign_id": event.campaign_id,
        "wamid": event.wamid,
        "error": event.error.model_dump(mode="json") if event.error else None,
        "pricing": event.pricing.model_dump(mode="json") if event.pricing else None,
        "conversation": event.conversation.model_dump(mode="json") if event.conversation else None,
        "created_at": event.created_at,
    }


def _received(event: MessageReceived) -> Data:
    return _message(event) | {
        "direction": "inbound",
        "status": "received",
        "at": event.at,
        "from": event.sender,
        "user_id": event.user_id,
        "profile_name": event.profile_name,
        "wamid": event.wamid,
        "content": event.content,
        "context_wamid": event.context_wamid,
        "group_id": event.group_id,
        "referral": event.referral,
        "window_until": event.window_until,
    }


def _message(event: MessageStatusChanged | MessageReceived) -> Data:
    return {
        "id": event.message_id,
        "object": "message",
        "type": event.type,
        "phone_number_id": event.phone_number_id,
        "waba_id": event.waba_id,
        "conversation_id": event.conversation_id,
        "contact_id": event.contact_id,
    }


def _template(event: TemplateChanged) -> Data:
    return {
        "id": event.template_id,
        "object": "template",
        "change": event.change,
        "at": event.at,
        "waba_id": event.waba_id,
        "meta_id": event.meta_id,
        "name": event.name,
        "language": event.language,
        "status": event.status,
        "category": event.category,
        "quality": event.quality,
        "rejected_reason": event.reason,
    }


def _conversation(event: ConversationHandedOver) -> Data:
    return {
        "id": event.conversation_id,
        "object": "conversation",
        "at": event.at,
        "phone_number_id": event.phone_number_id,
        "contact_id": event.contact_id,
        "to": event.to,
        "by": event.by,
        "message_id": event.message_id,
    }


def _account(event: AccountChanged) -> Data:
    kind = {"account": "account", "number": "phone_number"}[event.kind]
    which = {"object": kind, "waba_id": event.waba_id, "phone_number_id": event.phone_number_id}
    return which | {"change": event.change, "at": event.at}
