"""Kafka in: our events, a batch at a time."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Protocol

from libs.events.accounts import AccountChanged
from libs.events.conversations import ConversationHandedOver
from libs.events.messages import MessageReceived, MessageStatusChanged
from libs.events.model import Event
from libs.events.templates import TemplateChanged
from libs.kafka.batches import Rejected
from libs.kafka.errors import Poison
from libs.kafka.events import read_event
from libs.kafka.record import Record
from libs.kafka.replays import is_for
from services.notifier.fan_out import FanOut
from services.notifier.notices import Notice, notice_of
from services.notifier.subscriptions import Subscriptions

MODELS: tuple[type[Event], ...] = (
    MessageStatusChanged,
    MessageReceived,
    TemplateChanged,
    AccountChanged,
    ConversationHandedOver,
)
TENANT = "ce_tenant"
SERVICE = "notifier"


class Messages(Protocol):
    """What is looked up of the ledger."""

    async def recipients(self, ids: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """Return who messages go to, by (tenant, message id)."""
        ...


class EventHandlers:
    """Reads the events of tenants that have endpoints; of all others not even the body."""

    def __init__(self, subscriptions: Subscriptions, messages: Messages, fan_out: FanOut) -> None:
        self._subscriptions = subscriptions
        self._messages = messages
        self._fan_out = fan_out

    async def take(self, records: Sequence[Record]) -> Sequence[Rejected]:
        """Handle a batch; -> the records that cannot be read, to be buried while their siblings go on."""
        records = [record for record in records if is_for(record, SERVICE)]
        tenants = {tenant for record in records if (tenant := record.header(TENANT))}
        told = {tenant for tenant in tenants if await self._subscriptions.all_of(tenant)}
        listening = {tenant for tenant in told if await self._subscriptions.of(tenant)}
        notices: list[Notice] = []
        forgotten: list[tuple[str, str]] = []
        rejected: list[Rejected] = []
        for record in records:
            if record.header(TENANT) not in told:
                continue
            try:
                envelope, event = read_event(record, *MODELS)
            except Poison as poison:
                rejected.append(Rejected(record, poison.reason, poison.error))
                continue
            if isinstance(event, MessageStatusChanged | MessageReceived) and event.forgotten:
                forgotten.append((envelope.tenant, event.message_id))
            elif envelope.tenant in listening and (notice := notice_of(envelope, event)) is not None:
                notices.append(notice if record.trace is None else replace(notice, trace=record.trace))
        await self._fan_out.tell(await self._addressed(notices))
        await self._fan_out.forget(forgotten)  # after what was said before of the same messages, in this very batch
        return rejected

    async def _addressed(self, notices: Sequence[Notice]) -> Sequence[Notice]:
        """Add to each status who the message goes to, which its event does not say: one look for the whole batch."""
        wanted = {(each.tenant, each.data["id"]) for each in notices if each.data.get("direction") == "outbound"}
        recipients = await self._messages.recipients(wanted) if wanted else {}
        return [each.addressed(recipients.get((each.tenant, str(each.data.get("id"))))) for each in notices]
