"""Kafka in: raw webhook bodies, a batch at a time."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime

from libs.events.envelope import Envelope, UnreadableEnvelope, read_envelope
from libs.events.webhooks import RAW_WEBHOOK_TYPE
from libs.graph.webhooks import Misfit, UnreadableWebhook, read_webhook
from libs.kafka.batches import Rejected
from libs.kafka.bus import Bus
from libs.kafka.errors import Reason
from libs.kafka.record import Outgoing, Record
from libs.kafka.replays import mark_of, marked
from libs.runtime.clock import Clock
from services.tracker.flow_notes import FlowNotes
from services.tracker.inbox import Inbox
from services.tracker.items import Body, placed
from services.tracker.metrics import REPLAYED, WEBHOOK_AGE
from services.tracker.service import StatusTracker


class WebhookHandlers:
    """Reads each body, applies all that can be read, publishes what follows.

    What people wrote comes first: somebody waits for the answer, and nobody for what became of a message.
    """

    def __init__(self, inbox: Inbox, tracker: StatusTracker, bus: Bus, notes: FlowNotes, clock: Clock) -> None:
        self._inbox = inbox
        self._tracker = tracker
        self._bus = bus
        self._notes = notes
        self._clock = clock

    async def take(self, records: Sequence[Record]) -> Sequence[Rejected]:
        """Handle a batch; -> the bodies that are none, to be buried while their siblings go on."""
        bodies: dict[str | None, list[Body]] = defaultdict(list)
        rejected: list[Rejected] = []
        for record in records:
            read = _read(record)
            if isinstance(read, Body):
                bodies[mark_of(record)].append(read)
            else:
                rejected.append(read)
        for mark, alike in bodies.items():
            items = placed(alike)
            found = await self._tracker.read(items)
            await self._tell(await self._inbox.take(items, found.encounters), mark)
            await self._tell(await self._tracker.apply(found), mark)
            if mark is None:
                self._notes.heard(found.heard)
            else:
                REPLAYED.inc(len(alike))
        self._observe_ages(records)
        return rejected

    async def _tell(self, events: Sequence[Outgoing], mark: str | None) -> None:
        if events:
            await self._bus.publish_many(marked(events, mark))

    def _observe_ages(self, records: Sequence[Record]) -> None:
        now = self._clock.now()
        for record in records:
            WEBHOOK_AGE.observe(max((now - datetime.fromtimestamp(record.timestamp / 1000, UTC)).total_seconds(), 0.0))


def _arrived(record: Record, envelope: Envelope) -> Record:
    """Return a record as of when Meta posted it: a replay was written to the topic long after."""
    if mark_of(record) is None:
        return record
    return record._replace(timestamp=int(envelope.time.timestamp() * 1000))


def _read(record: Record) -> Body | Rejected:
    try:
        envelope = read_envelope(record.headers)
        if envelope.type != RAW_WEBHOOK_TYPE:
            return Rejected(record, Reason.UNKNOWN_TYPE, f"type {envelope.type[:80]} is not a webhook")
    except UnreadableEnvelope as error:
        return Rejected(record, Reason.UNREADABLE, str(error))
    try:
        return Body(_arrived(record, envelope), envelope.tenant, read_webhook(record.value or b""))
    except UnreadableWebhook as error:
        if envelope.tenant:
            # Signed by a tenant's own app: as dead letters its nonsense would reach the ceiling and stop us for all.
            return Body(record, envelope.tenant, [Misfit(f"body: {error}", repr(record.value))])
        return Rejected(record, Reason.UNREADABLE, str(error))
