"""Handing a conversation over to a person, and back to the bot: kept first, then told."""

from datetime import datetime
from typing import Any, Literal

from libs.events.conversations import ConversationHandedOver, DecidedBy
from libs.events.envelope import Envelope
from libs.events.model import Told
from libs.events.topics import CONVERSATIONS_CHANGED
from libs.kafka.bus import Bus
from libs.kafka.events import outgoing
from libs.kafka.record import Outgoing
from libs.runtime.clock import Clock
from libs.runtime.ids import derived_id
from services.autoreply.talk_store import TalkStore

SOURCE = "autoreply"

Document = dict[str, Any]


class Handover:
    """What a caller does: to a person (`agent`), or back (`bot`). Raises MongoUnavailable and BusUnavailable; doing it
    again is harmless.
    """

    def __init__(self, talks: TalkStore, bus: Bus, clock: Clock) -> None:
        self._talks = talks
        self._bus = bus
        self._clock = clock

    async def to_agent(self, tenant: str, last: Document) -> datetime:
        """Let a person answer in the conversation of this message; -> since when."""
        at = self._clock.now()
        await self._talks.hand_over(tenant, last["conversation_id"], at, "api")
        await self._bus.publish_many([changed(tenant, last, "agent", "api", at)])
        return at

    async def to_bot(self, tenant: str, last: Document) -> None:
        """Let the bot answer again."""
        await self._talks.hand_back(tenant, last["conversation_id"])
        await self._bus.publish_many([changed(tenant, last, "bot", "api", self._clock.now())])


def changed(tenant: str, message: Document, to: Literal["agent", "bot"], by: DecidedBy, at: datetime) -> Outgoing:
    """Return the event that the conversation of a message is answered by somebody else."""
    conversation_id = message["conversation_id"]
    event = ConversationHandedOver(
        conversation_id=conversation_id, phone_number_id=message["phone_number_id"], contact_id=message["contact_id"],
        to=to, by=by, message_id=message["_id"] if by != "api" else None, at=at,
    )  # fmt: skip
    envelope = Envelope(
        id=derived_id("handed_over", conversation_id, to, at.isoformat()), type=event.type_name(), source=SOURCE,
        time=at, tenant=tenant, subject=conversation_id,
    )  # fmt: skip
    return outgoing(Told(CONVERSATIONS_CHANGED, conversation_id, envelope, event))
