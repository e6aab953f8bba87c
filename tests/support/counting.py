"""Analytics without Kafka: records of events are handed to it, and its sums are checked against its history."""

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from libs.events.envelope import Envelope
from libs.events.messages import Lane, MessageError, MessageReceived, MessageStatus, MessageStatusChanged, Pricing
from libs.events.model import Told
from libs.events.topics import MESSAGES_INBOUND, MESSAGES_STATUS
from libs.kafka.events import outgoing
from libs.kafka.record import Record
from libs.mongo.client import Mongo, Session
from libs.pricing.rate_card import RateCard, card_at
from libs.runtime.clock import SystemClock
from libs.runtime.ids import derived_id, new_id
from services.analytics import history_store
from services.analytics.books import Booking, Books, Change
from services.analytics.counting import Kind, contribution
from services.analytics.history_store import HistoryStore
from services.analytics.ingest import Ingest
from services.analytics.layer_store import Layers, LayerStore
from services.analytics.line_store import LINES, LineStore
from services.analytics.rebuilding import Rebuild
from services.analytics.replies import Replies
from services.analytics.repricing import Repricing
from services.analytics.retention import Retention
from services.analytics.stages import Row
from services.analytics.sums_store import SUMS, SumsStore

MADE = datetime(2026, 10, 5, 12, tzinfo=UTC)
KEPT = timedelta(days=90)
S = MessageStatus
Said = tuple[str, S]


class Crash(Exception):
    """The process died here."""


class Dying(Books):
    """Dies at the end of a unit of work, as often as it is told to."""

    deaths = 0

    async def enter(
        self, session: Session, layers: Layers, changes: Sequence[Change], inbound: Iterable[Row] = ()
    ) -> Booking:
        """Write everything, and die before the unit of work is over."""
        booking = await super().enter(session, layers, changes, inbound)
        if self.deaths:
            self.deaths -= 1
            raise Crash
        return booking


class Bench:
    """Analytics without Kafka: records are handed to it."""

    def __init__(self, mongo: Mongo, sums: SumsStore) -> None:
        self.mongo, self.sums, self.history, self.layers = mongo, sums, HistoryStore(mongo), LayerStore(mongo)
        clock, lines = SystemClock(), LineStore(mongo)
        self.books = books = Dying(sums, lines, clock, lambda moment: self.card or card_at(moment))
        self.card: RateCard | None = None  # instead of those that we have
        self.ingest = Ingest(mongo, self.history, sums, lines, self.layers, books, clock)
        self.replies = Replies(mongo, self.history, sums, self.layers, books, clock, timedelta(seconds=1))
        self.rebuild = Rebuild(mongo, self.history, sums, lines, self.layers)
        self.repricing = Repricing(mongo, self.history, sums, self.layers, books)
        self.retention = Retention(self.history, self.layers, clock, KEPT)

    async def counted(self, kind: Kind = Kind.COHORT, rollup: Any = "*") -> Counter[str]:
        """Return the sums of a kind, checked against the sums of their quarters."""
        found: Counter[str] = Counter()
        async for row in self.mongo.collection(SUMS).find(
            {"kind": kind.value, "layer": await self.layers.current(), "rollup": rollup}
        ):
            quarters: Counter[str] = Counter()
            for counts in row["q"].values():
                quarters.update(counts)
            assert +quarters == +Counter(row["n"])
            found.update(row["n"])
        return +found

    async def recounted(self, kind: Kind = Kind.COHORT) -> Counter[str]:
        """Return what all of the history and the lines that stand add up to."""
        lines = {it["message_id"]: it async for it in self.mongo.collection(LINES).find({"replaced_by": None})}
        rows: dict[str, list[Any]] = {}
        async for row in self.mongo.collection(history_store.HISTORY).find():
            rows.setdefault(row["message_id"], []).append(row)
        found: Counter[str] = Counter()
        for message_id, its in rows.items():
            for (key, _, measure), count in contribution(its, lines.get(message_id)).items():
                found[measure] += count if key.kind is kind else 0
        return +found


def status(message_id: str, to: S, **more: Any) -> MessageStatusChanged:
    fields: dict[str, Any] = {
        "message_id": message_id, "status": to, "at": MADE + timedelta(seconds=list(S).index(to)), "created_at": MADE,
        "phone_number_id": "1", "waba_id": "2", "conversation_id": f"c-{message_id}", "contact_id": "p",
        "country": "DE", "lane": Lane.BULK, "type": "template", "template": "sale", "category": "MARKETING",
        "wamid": f"wamid.{message_id}",
    }  # fmt: skip
    if to is S.READ:
        fields["pricing"] = Pricing(billable=True, pricing_model="PMP", type="regular", category="marketing")
    if to is S.FAILED:
        fields["error"] = MessageError(type="upstream_error", code="undeliverable", message="no")
    return MessageStatusChanged(**fields | more)


def told(event: MessageStatusChanged | MessageReceived) -> Told:
    topic = MESSAGES_STATUS if isinstance(event, MessageStatusChanged) else MESSAGES_INBOUND
    said = event.status.value if isinstance(event, MessageStatusChanged) else "received"
    envelope = Envelope(derived_id(event.message_id, said), event.type_name(), "test", event.at, tenant="t")
    return Told(topic, event.conversation_id, envelope, event)


def record(event: MessageStatusChanged | MessageReceived, offset: int, partition: int = 0) -> Record:
    made = outgoing(told(event))
    stamp = int(MADE.timestamp() * 1000)
    return Record(made.topic, partition, offset, made.key, made.value, tuple(made.headers), stamp)


def lives(messages: int, dice: random.Random) -> list[Said]:
    """What becomes of messages: all is said three times, in any order."""
    ways = ((S.ACCEPTED, S.SENT, S.DELIVERED, S.READ), (S.ACCEPTED, S.SENT, S.FAILED), (S.ACCEPTED, S.DELIVERED),
            (S.ACCEPTED, S.FAILED, S.READ))  # fmt: skip
    said = [(new_id(), way) for way in dice.choices(ways, k=messages)]
    events = [(message_id, to) for message_id, way in said for to in way] * 3
    dice.shuffle(events)
    return events


def log_of(events: Sequence[Said], partitions: int = 3) -> list[Record]:
    """The events as a topic keeps them: all of a message in one partition."""
    offsets: Counter[int] = Counter()
    records = []
    for message_id, to in events:
        partition = int(message_id[-2:], 16) % partitions
        records.append(record(status(message_id, to), offsets[partition], partition))
        offsets[partition] += 1
    return records


async def feed_with_crashes(bench: Bench, records: Sequence[Record], dice: random.Random) -> int:
    """Hand over records in batches; the process dies now and then, and begins again from some commit before."""
    place, deaths = 0, 0
    while place < len(records):
        batch = records[place : place + dice.randint(1, 40)]
        bench.books.deaths = dice.random() < 0.3
        try:
            await bench.ingest.take(batch)
        except Crash:
            deaths += 1
            place = max(place - dice.randint(0, 60), 0)
        else:
            place += len(batch)
    return deaths
