"""From records to sums: a status is a row, inserted once, in the unit of work that counts it.

A record that comes again, on the same offset after a crash or on another one because it was said twice, finds its row
and counts nothing. One that could not be counted has no row, and counts when it is handed in again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from libs.kafka.batches import Rejected
from libs.kafka.record import Partition, Record
from libs.mongo.client import Mongo, Session
from libs.runtime.clock import Clock
from services.analytics import metrics
from services.analytics.books import Booking, Books, Change
from services.analytics.charges import CATEGORIES
from services.analytics.history_store import FACTS, HistoryStore
from services.analytics.layer_store import LayerStore
from services.analytics.line_store import LineStore
from services.analytics.readings import Readings, read_batch
from services.analytics.sums_store import SumsStore

Document = dict[str, Any]


@dataclass(slots=True)
class News:
    """What a batch says that is not known: rows that are not there, rows that it completes, and so what changes."""

    rows: list[Document] = field(default_factory=list)
    completed: list[Document] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)


class Ingest:
    """Handles batches of `messages.status.v1` and `messages.inbound.v1`."""

    def __init__(
        self, mongo: Mongo, history: HistoryStore, sums: SumsStore, lines: LineStore, layers: LayerStore, books: Books,
        clock: Clock,
    ) -> None:  # fmt: skip
        self._mongo = mongo
        self._history = history
        self._sums = sums
        self._lines = lines
        self._layers = layers
        self._books = books
        self._clock = clock

    async def take(self, records: Sequence[Record]) -> Sequence[Rejected]:
        """Count a batch; -> the records that cannot be read. Raises MongoUnavailable; repeating it is without harm."""
        now = self._clock.now()
        found, ends = read_batch(records, now), _ends(records, now)

        async def unit(session: Session) -> tuple[Booking, News, Sequence[Document]]:
            layers = await self._layers.enter(session, is_new=await self._sums.enter(session, ends))
            known = await self._history.of_messages(session, list({row["message_id"] for row in found.statuses}))
            news, fresh = _news(found.statuses, known), await self._not_there(session, found)
            await self._history.add(session, news.rows, fresh, news.completed)
            return await self._books.enter(session, layers, news.changes, fresh), news, fresh

        booking, news, fresh = await self._mongo.transaction(unit)
        if found.forgotten:
            await self._history.forget_who(found.forgotten)
            await self._lines.forget_who(found.forgotten)
        _observe(booking, [row["status"] for row in news.rows] + ["received"] * len(fresh), found)
        return found.rejected

    async def _not_there(self, session: Session, found: Readings) -> list[Document]:
        known = {row["_id"] for row in await self._history.inbound(session, [row["_id"] for row in found.inbound])}
        return [row for place, row in _once(found.inbound).items() if place not in known]


def _once(rows: Iterable[Document]) -> dict[str, Document]:
    found: dict[str, Document] = {}
    for row in rows:
        found.setdefault(row["_id"], row)
    return found


def _news(said: Sequence[Document], known: Mapping[str, Sequence[Document]]) -> News:
    """Return what is new in statuses. One that is said again adds what it lacked before: a price class, as a rule."""
    news, by_message = News(), dict[str, dict[str, Document]]()
    for row in said:
        rows = by_message.setdefault(row["message_id"], {it["_id"]: it for it in known[row["message_id"]]})
        there = rows.get(row["_id"])
        more = {name: row[name] for name in FACTS if name in row and name not in there} if there is not None else {}
        if there is None or more:
            rows[row["_id"]] = row if there is None else there | more
    for message_id, rows in by_message.items():
        before = {row["_id"]: row for row in known[message_id]}
        added = [row for place, row in rows.items() if place not in before]
        completed = [row for place, row in rows.items() if place in before and row is not before[place]]
        if added or completed:
            news.rows += added
            news.completed += completed
            news.changes.append(Change(list(before.values()), list(rows.values())))
    return news


def _ends(records: Sequence[Record], now: datetime) -> dict[Partition, datetime]:
    """Return the time of each partition's last record, by whoever wrote it; none is later than now."""
    ends: dict[Partition, tuple[int, int]] = {}
    for record in records:
        place = (record.topic, record.partition)
        ends[place] = max(ends.get(place, (-1, 0)), (record.offset, record.timestamp))
    return {place: min(datetime.fromtimestamp(at / 1000, UTC), now) for place, (_, at) in ends.items()}


def _observe(booking: Booking, counted: Sequence[str], found: Readings) -> None:
    for status in counted:
        metrics.COUNTED.labels(status).inc()
    metrics.REPEATED.inc(max(len(found.statuses) + len(found.inbound) - len(counted), 0))
    for line in booking.lines:
        category = line["category"] if line["category"] in CATEGORIES else "other"
        metrics.CHARGED.labels(category, "billable" if line["billable"] else "free").inc()
        if line["replaces"] is None and line["amount"] and line["currency"]:
            metrics.COST.labels(category, line["currency"]).inc(float(line["amount"]))
