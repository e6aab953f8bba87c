"""Where records meet the event language: what a handler reads from one, and what is written of an event."""

from typing import TypeVar

from libs.events.envelope import Envelope, UnreadableEnvelope, read_envelope
from libs.events.model import Event, Told, UnknownType, UnreadableEvent, check_type
from libs.kafka.errors import Poison, Reason
from libs.kafka.record import Outgoing, Record

E = TypeVar("E", bound=Event)


def read_expected(record: Record, *models: type[E]) -> tuple[Envelope, type[E]]:
    """Return the record's envelope and which of the models its type names; raises Poison where it is none of them."""
    try:
        envelope = read_envelope(record.headers)
        return envelope, check_type(envelope, *models)
    except UnknownType as error:
        raise Poison(Reason.UNKNOWN_TYPE, str(error)) from None
    except UnreadableEnvelope as error:
        raise Poison(Reason.UNREADABLE, str(error)) from None


def read_event(record: Record, *models: type[E]) -> tuple[Envelope, E]:
    """Return the record's envelope and its event, one of the models; raises Poison where it cannot be read."""
    envelope, model = read_expected(record, *models)
    try:
        return envelope, model.read(record.value)
    except UnreadableEvent as error:
        raise Poison(Reason.UNREADABLE, str(error)) from None


def outgoing(told: Told) -> Outgoing:
    """Return an event as a record for the bus."""
    return Outgoing(told.topic, told.key.encode(), told.event.to_bytes(), told.envelope.headers())
