"""The language of conversations: who answers in them."""

from datetime import datetime
from typing import ClassVar, Literal

from libs.events.model import Event
from libs.events.topics import CONVERSATIONS_CHANGED

DecidedBy = Literal["rule", "model", "webhook", "api"]


class ConversationHandedOver(Event):
    """Event: a person answers in this conversation from now on (`agent`), or its bot again (`bot`).

    `by` says who decided so: a `rule` of the bot, a `model` or the customer's program (`webhook`), on the inbound
    message `message_id`; or the `api`.
    """

    TOPICS: ClassVar[tuple[str, ...]] = (CONVERSATIONS_CHANGED,)

    conversation_id: str
    phone_number_id: str
    contact_id: str
    to: Literal["agent", "bot"]
    by: DecidedBy
    message_id: str | None = None
    at: datetime
