"""Decisions as they are kept, and the commands that carry them out: their ids come from the decision. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from libs.events.envelope import Envelope
from libs.events.messages import MessageReceived, SendMessage, ShowTyping
from libs.events.model import Told
from libs.events.topics import MESSAGES_REQUESTED
from libs.kafka.events import outgoing
from libs.kafka.record import Outgoing
from libs.requests.commands import message_id_of
from libs.runtime.ids import derived_id
from services.autoreply.deciding import Decision, Outcome
from services.autoreply.handover import SOURCE

TICK = timedelta(milliseconds=1)  # between answers to one message: their ids sort by it

Document = dict[str, Any]


def recipient_of(event: MessageReceived) -> str:
    """Return who a message is answered to."""
    return f"+{event.sender}" if event.sender.isdigit() else event.user_id or event.sender


def document_of(
    tenant: str, bot_id: str, event: MessageReceived, found: Decision, now: datetime, trace: str | None = None
) -> Document:
    """Return a decision on a message, open where something is to be done, with the step of a trace that it goes on."""
    decision = {
        "_id": event.message_id, "tenant": tenant, "bot_id": bot_id, "conversation_id": event.conversation_id,
        "contact_id": event.contact_id, "phone_number_id": event.phone_number_id, "at": now,
        "outcome": found.outcome.value, "rule": found.rule, "handover": found.handover, "dialogue": found.dialogue,
    } | ({"trace": trace} if trace is not None else {})  # fmt: skip
    if found.outcome in (Outcome.ANSWERED, Outcome.WAITING) or found.answers:
        return decision | to_do(decision, found.answers)
    return decision | {"answers": []}


def to_do(decision: Document, answers: Sequence[Document]) -> Document:
    """Return what makes a decision one that is to be carried out, with its answers."""
    envelopes = [_envelope(decision, place) for place in range(len(answers))]
    ids = [message_id_of(envelope) for envelope in envelopes]
    return {"answers": ids, "open": True, "commands": list(answers)}


def commands_of(decision: Document, to: str) -> list[Outgoing]:
    """Return the commands that ask for a decision's answers: the same ones whenever it is asked."""
    number = decision["phone_number_id"]
    return [
        outgoing(Told(
            MESSAGES_REQUESTED, f"{number}:{to}", _envelope(decision, place),
            SendMessage(**{"type": "text"} | answer, phone_number_id=number, to=to),
        ))
        for place, answer in enumerate(decision["commands"])
    ]  # fmt: skip


def typing_of(decision: Document, to: str, now: datetime) -> Outgoing:
    """Return the command that shows a person that their message is being answered."""
    message_id, number = decision["_id"], decision["phone_number_id"]
    envelope = Envelope(
        id=derived_id("typing", message_id, now.isoformat()), type=ShowTyping.type_name(), source=SOURCE, time=now,
        tenant=decision["tenant"], subject=message_id, correlationid=message_id,
    )  # fmt: skip
    return outgoing(Told(MESSAGES_REQUESTED, f"{number}:{to}", envelope, ShowTyping(message_id=message_id)))


def _envelope(decision: Document, place: int) -> Envelope:
    return Envelope(
        id=derived_id("answer", decision["_id"], str(place)), type=SendMessage.type_name(), source=SOURCE,
        time=decision["at"] + place * TICK, tenant=decision["tenant"], subject=decision["_id"],
        correlationid=decision["_id"], traceparent=decision.get("trace", ""),
    )  # fmt: skip
