"""Internal producers' way in: the same intake as REST; a refusal is an event, never silence."""

import json

from libs.events.envelope import Envelope
from libs.events.messages import MessageError, MessageRejected
from libs.events.topics import MESSAGES_REJECTED
from libs.kafka.bus import Bus
from libs.ledger.intake import Stored
from libs.ledger.record import Idempotency
from libs.observability import tracing
from libs.requests.commands import message_id_of
from libs.requests.kinds import body_of
from libs.runtime.clock import Clock
from libs.runtime.errors import Outage
from libs.runtime.ids import derived_id
from libs.web.errors import ApiError, Invalid, TooManyRequests, Unavailable
from services.edge.messages import Asked, MessageIntake
from services.edge.metrics import ACCEPTED, REFUSED

LONGEST_TOLD = 256  # characters of a refused command's field, as long as its longest good one
INTERNAL_MODE = "live"  # commands come from inside our walls: they reach every account of their tenant


class TooMuchWaiting(Outage):
    """The cap on waiting messages is reached: the command stays in its topic until there is room."""


class SendCommands:
    """Turns SendMessage commands into messages."""

    def __init__(self, messages: MessageIntake, bus: Bus, clock: Clock) -> None:
        self._messages = messages
        self._bus = bus
        self._clock = clock

    async def send(self, envelope: Envelope, value: bytes) -> None:
        """Accept or reject one command; repeating it makes no second message.

        Raises Outage (wait, try again) while MongoDB or Kafka is away or too much is waiting.
        """
        message_id = message_id_of(envelope)
        key = Idempotency(f"\x1f{envelope.source}\x1f{envelope.id}", "command")
        asked = Asked(envelope.tenant, INTERNAL_MODE, envelope.correlationid or envelope.id, key, message_id)
        fields: dict[str, object] = {}
        try:
            fields = _fields(value)
            stored = await self._accept(asked, fields)
            if not stored.replayed:
                ACCEPTED.labels(stored.document["lane"], "command").inc()
        except (TooManyRequests, Unavailable) as busy:
            raise TooMuchWaiting(busy.message) from None
        except ApiError as refusal:
            await self._reject(envelope, message_id, fields, refusal.message_error())

    async def _accept(self, asked: Asked, fields: dict[str, object]) -> Stored:
        if not asked.tenant:
            raise Invalid("The attribute tenant is missing.", code="missing_field", param="tenant")
        body = body_of({name: value for name, value in fields.items() if value is not None})
        return await self._messages.accept(asked, body)

    async def _reject(
        self, envelope: Envelope, message_id: str, fields: dict[str, object], error: MessageError
    ) -> None:
        REFUSED.labels(error.code).inc()
        told = {
            name: _tellable(value)
            for name in ("phone_number_id", "to", "client_ref")
            if isinstance(value := fields.get(name), str)
        }
        event = MessageRejected(message_id=message_id, error=error, **told)
        answer = Envelope(
            id=derived_id("rejected", message_id),
            type=MessageRejected.type_name(),
            source="edge",
            time=self._clock.now(),
            tenant=envelope.tenant,
            subject=message_id,
            correlationid=envelope.correlationid or envelope.id,
            causationid=envelope.id,
            traceparent=tracing.current() or "",
        )
        key = f"{told.get('phone_number_id', '')}:{told.get('to', '')}".encode()
        await self._bus.publish(MESSAGES_REJECTED, key=key, value=event.to_bytes(), headers=answer.headers())


def _tellable(value: str) -> str:
    """Return what a refused command said so that it can be written: bounded, half surrogates replaced."""
    return value[:LONGEST_TOLD].encode("utf-8", "replace").decode()


def _fields(value: bytes) -> dict[str, object]:
    try:
        fields = json.loads(value)
    except (ValueError, RecursionError):
        raise Invalid("The value is not JSON.", code="not_json") from None
    if not isinstance(fields, dict):
        raise Invalid("The value is not an object.", code="invalid_field")
    return fields
