"""From records to sums: rows are inserted once, and counted in one transaction with the checkpoint.

A row counts where it carries the record's own stamp and lies past its partition's checkpoint. So a record that comes
again, on the same offset after a crash or on another one because it was said twice, counts once.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from libs.kafka.batches import Rejected
from libs.kafka.record import Partition, Record
from libs.mongo.client import Mongo, Session
from libs.runtime.clock import Clock
from libs.runtime.ids import derived_id, derived_time_id
from services.analytics import counting, metrics
from services.analytics.charges import CATEGORIES, PER_CONVERSATION, Charge, charge_of
from services.analytics.counting import Sums, contributed, difference
from services.analytics.history_store import HistoryStore
from services.analytics.layers import Layers, LayerStore
from services.analytics.readings import read_batch
from services.analytics.sums_store import CORRECTS, SumsStore

Document = dict[str, Any]
Offsets = Mapping[Partition, int]


@dataclass(slots=True)
class Booking:
    """What a batch adds, and how far that brings each partition."""

    layers: Layers
    sums: Sums = field(default_factory=Sums)
    ahead: Sums = field(default_factory=Sums)  # what the next layer of sums has to have of it
    lines: list[Document] = field(default_factory=list)
    opening: list[tuple[Document, Document, Charge]] = field(default_factory=list)  # conversation, row, charge
    counted: list[str] = field(default_factory=list)
    charges: list[Charge] = field(default_factory=list)

    def add(self, sums: Sums, passed: bool) -> None:
        """Add to the sums; to those of the next layer too where that has passed the message."""
        self.sums.update(sums)
        if passed:
            self.ahead.update(sums)


class Ingest:
    """Handles batches of `messages.status.v1` and `messages.inbound.v1`."""

    def __init__(self, mongo: Mongo, history: HistoryStore, sums: SumsStore, layers: LayerStore, clock: Clock) -> None:
        self._mongo = mongo
        self._history = history
        self._sums = sums
        self._layers = layers
        self._clock = clock

    async def take(self, records: Sequence[Record]) -> Sequence[Rejected]:
        """Count a batch; -> the records that cannot be read. Raises MongoUnavailable; repeating it is without harm."""
        found = read_batch(records, self._clock.now())
        await self._history.add(found.statuses, found.inbound)
        if found.forgotten:
            await self._history.forget_who(found.forgotten)
            await self._sums.forget_who(found.forgotten)
        messages = await self._history.of_messages(list({row["message_id"] for row in found.statuses}))
        inbound = await self._history.inbound([row["_id"] for row in found.inbound])
        ends = _ends(records)

        async def unit(session: Session) -> Booking:
            offsets = await self._sums.checkpoints(session, list(ends))
            booking = Booking(await self._layers.held(session))
            for rows in messages.values():
                _book_message(rows, offsets, ends, self._clock.now(), booking)
            for row in inbound:
                if _is_new(row, offsets, ends):
                    booking.add(counting.received(row), booking.layers.holds_inbound(row["_id"]))
                    booking.counted.append("received")
            await self._write(session, booking)
            past = {it: end for it, end in ends.items() if end[0] > offsets[it]}
            await self._sums.advance(session, past)
            return booking

        _observe(await self._mongo.transaction(unit), len(found.statuses) + len(found.inbound))
        return found.rejected

    async def _write(self, session: Session, booking: Booking) -> None:
        opening = sorted(booking.opening, key=lambda it: (it[2].at, it[1]["message_id"]))
        fresh = await self._sums.open_billing(session, [conversation for conversation, _, _ in opening])
        for conversation, row, charge in opening:
            if conversation["_id"] in fresh and charge.opens:
                fresh.discard(conversation["_id"])
                opened = counting.opened(row, charge)
                booking.add(opened, booking.layers.holds(row["message_id"]))
        await self._sums.add(session, booking.layers.current, booking.sums)
        if booking.layers.next is not None:
            await self._sums.add(session, booking.layers.next, booking.ahead)
        await self._sums.book(session, await self._shared(session, booking.lines))

    async def _shared(self, session: Session, lines: Sequence[Document]) -> Sequence[Document]:
        """Return lines of which only those carry a conversation's price that opened it."""
        covered = [it for it in lines if it["billing_conversation"] and it["pricing_model"] == PER_CONVERSATION]
        if not covered:
            return lines
        opened = await self._sums.opened_by(session, [line["message_id"] for line in covered])
        free = {line["message_id"] for line in covered} - opened
        return [line | {"amount": "0"} if line["message_id"] in free else line for line in lines]


def _ends(records: Sequence[Record]) -> dict[Partition, tuple[int, datetime]]:
    ends: dict[Partition, tuple[int, datetime]] = {}
    for record in records:
        place = (record.topic, record.partition)
        if place not in ends or record.offset > ends[place][0]:
            ends[place] = record.offset, datetime.fromtimestamp(record.timestamp / 1000, UTC)
    return ends


def _place(row: Document) -> Partition:
    return row["topic"], row["partition"]


def _is_new(row: Document, offsets: Offsets, ends: Mapping[Partition, tuple[int, datetime]]) -> bool:
    """Tell whether a row is of this batch and not counted: within it, and past the checkpoint."""
    place = _place(row)
    return place in ends and offsets[place] < row["offset"] <= ends[place][0]


def is_counted(row: Document, offsets: Offsets) -> bool:
    """Tell whether a row is counted; one of a partition that this batch is not of came before the keys moved."""
    place = _place(row)
    return place not in offsets or row["offset"] <= offsets[place]


def _book_message(
    rows: Sequence[Document],
    offsets: Offsets,
    ends: Mapping[Partition, tuple[int, datetime]],
    now: datetime,
    booking: Booking,
) -> None:
    before = [row for row in rows if is_counted(row, offsets)]
    fresh = [row for row in rows if _is_new(row, offsets, ends)]
    if not fresh:
        return
    after = [*before, *fresh]
    was, charge = charge_of(before), charge_of(after)
    step = difference(contributed(before, was), contributed(after, charge))
    booking.add(step, booking.layers.holds(fresh[0]["message_id"]))
    booking.counted += [row["status"] for row in fresh]
    if charge is None or charge.billable is None or charge == was:
        return
    booked = was is not None and was.billable is not None
    booking.lines.append(_line(after, charge, booked, now))
    booking.charges.append(charge)
    if charge.conversation is not None:
        booking.opening.append((_billing(after, charge), after[0], charge))


def _line(rows: Sequence[Document], charge: Charge, corrects: bool, now: datetime) -> Document:
    first, last = rows[0], rows[-1]
    stamp = f"{last['topic']}:{last['partition']}:{last['offset']}"
    names = ("tenant", "message_id", "phone_number_id", "campaign_id", "template", "country")
    return {name: first.get(name) for name in names} | {
        "_id": derived_time_id(charge.at, first["message_id"], stamp),
        "wamid": next((row["wamid"] for row in reversed(rows) if row.get("wamid")), None),
        "at": charge.at,
        "booked_at": now,
        "billable": charge.billable,
        "category": charge.category,
        "pricing_model": charge.pricing_model,
        "pricing_type": charge.pricing_type,
        "market": charge.market,
        "currency": charge.currency,
        "rate_card": charge.rate_card,
        "amount": _amount(charge),
        "billing_conversation": charge.conversation,
        "replaces": None,
        CORRECTS: corrects,
    }


def _amount(charge: Charge) -> str | None:
    return None if charge.amount is None else str(charge.amount)


def _billing(rows: Sequence[Document], charge: Charge) -> Document:
    first, names = rows[0], ("tenant", "phone_number_id", "country")
    said: defaultdict[str, Any] = defaultdict(lambda: None)
    for row in rows:
        said.update(row.get("billing") or {})
    return {name: first.get(name) for name in names} | {
        "_id": derived_id(first["tenant"], str(charge.conversation)),
        "conversation": charge.conversation,
        "opened_by": first["message_id"],
        "origin_type": said["origin_type"],
        "expires_at": said["expires_at"],
        "at": charge.at,
        "pricing_model": charge.pricing_model,
        "category": charge.category,
        "billable": charge.billable,
        "amount": _amount(charge) if charge.opens or not charge.billable else None,
    }


def _observe(booking: Booking, read: int) -> None:
    for status in booking.counted:
        metrics.COUNTED.labels(status).inc()
    metrics.REPEATED.inc(max(read - len(booking.counted), 0))
    for charge in booking.charges:
        category = charge.category if charge.category in CATEGORIES else "other"
        metrics.CHARGED.labels(category, charge.outcome).inc()
        if charge.amount and charge.currency and not charge.opens:
            metrics.COST.labels(category, charge.currency).inc(float(charge.amount))
