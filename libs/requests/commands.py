"""Commands of internal producers: the message that a command asks for has an id of its own before it is there."""

from libs.events.envelope import Envelope
from libs.runtime.ids import derived_time_id


def message_id_of(envelope: Envelope) -> str:
    """Return the message id of a command: derived from its tenant, source and id, sorting by its time."""
    return derived_time_id(envelope.time, "command", envelope.tenant, envelope.source, envelope.id)
