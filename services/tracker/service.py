"""From webhooks to what is true: ledger moves, people and windows, inbound messages, and the events that tell of them.

A batch is written in a few round trips, then told, then committed: each step may be repeated without harm, so a crash
between any two of them loses nothing.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog

from libs.directory.directory import Directory
from libs.events.messages import MessageStatus
from libs.graph.webhooks import Change, MessageItem, Misfit, StatusItem, WebhookItem, moment
from libs.kafka.record import Outgoing, Record
from libs.ledger.consent import OPTED_OUT, By, Consent, Word
from libs.ledger.flow import Heard
from libs.ledger.inbound import InboundStore
from libs.ledger.moves import Moves, StatusReport
from libs.ledger.opt_out_words import OptOutWordsBook
from libs.ledger.people import Encounter, People
from libs.observability import tracing
from libs.runtime.clock import Clock
from services.tracker import telling
from services.tracker.metrics import CHANGES, DROPPED, DUPLICATE_SENDS, INBOUND, META_DELAY, MISFITS, OPT_OUTS, STATUSES
from services.tracker.readings import (
    KNOWN_TYPES,
    REFERRAL,
    STOPPED_MARKETING,
    DoesNotFit,
    Inbound,
    failure_code,
    inbound_message,
    read_inbound,
    read_preferences,
    read_status,
)
from services.tracker.store import KeptAside, MisfitStore

Document = dict[str, Any]
MET = 50_000  # groups of names remembered: every status of the same person brings the same ones again

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Body:
    """One webhook body, taken apart; `bound` is the tenant that its signature speaks for, empty for all."""

    record: Record
    bound: str
    items: Sequence[WebhookItem]


@dataclass(slots=True)
class _Item:
    """One item of a body with where it came from."""

    record: Record
    place: int
    bound: str
    item: WebhookItem


@dataclass(slots=True)
class _Batch:
    """What one batch of bodies came to."""

    reports: list[tuple[Document, StatusReport]] = field(default_factory=list)
    began: int = field(default_factory=time.time_ns)
    inbound: list[tuple[MessageItem, Inbound, Record]] = field(default_factory=list)
    encounters: list[Encounter] = field(default_factory=list)
    misfits: list[KeptAside] = field(default_factory=list)
    events: list[Outgoing] = field(default_factory=list)
    heard: dict[Heard, datetime] = field(default_factory=dict)


class StatusTracker:
    """Applies batches of webhook bodies."""

    def __init__(
        self,
        directory: Directory,
        moves: Moves,
        people: People,
        inbound: InboundStore,
        misfits: MisfitStore,
        words: OptOutWordsBook,
        clock: Clock,
    ) -> None:
        self._directory = directory
        self._moves = moves
        self._people = people
        self._inbound = inbound
        self._misfits = misfits
        self._words = words
        self._clock = clock
        self._met: dict[frozenset[str], None] = {}

    async def apply(self, bodies: Sequence[Body]) -> tuple[list[Outgoing], dict[Heard, datetime]]:
        """Apply bodies that were read; -> the events to publish, and when each number was heard of.

        Raises MongoUnavailable with nothing lost: applying the same bodies again ends in the same records.
        """
        items = [
            _Item(body.record, place, body.bound, item) for body in bodies for place, item in enumerate(body.items)
        ]
        batch = _Batch()
        await self._read_statuses([it for it in items if isinstance(it.item, StatusItem)], batch)
        for it in items:
            if isinstance(it.item, MessageItem):
                await self._read_message(it, it.item, batch)
            elif isinstance(it.item, Change):
                await self._read_change(it, it.item, batch)
            elif isinstance(it.item, Misfit):
                self._keep(it, it.item.reason, it.item.part, batch)
        await self._write(batch)
        return batch.events, batch.heard

    async def _write(self, batch: _Batch) -> None:
        now = self._clock.now()
        found_out = {record["_id"] for record, _ in batch.reports if record["state"] == MessageStatus.UNKNOWN.value}
        reports = [(record["tenant"], report) for record, report in batch.reports]
        await self._moves.apply(reports, found_out, now)
        known = await self._people.meet(batch.encounters) if batch.encounters else {}
        self._remember(batch.encounters)
        messages = [inbound_message(item, read, known, _arrived(webhook)) for item, read, webhook in batch.inbound]
        await self._inbound.insert(messages)
        await self._misfits.keep(batch.misfits)
        for record, report in batch.reports:
            batch.events += telling.statuses(record, report, now, _applied(record, report, batch.began))
        for message, (_, _, webhook) in zip(messages, batch.inbound, strict=True):
            batch.events.append(telling.received(message, now, webhook.trace))

    async def _read_statuses(self, items: list[_Item], batch: _Batch) -> None:
        reports: list[tuple[_Item, StatusReport]] = []
        for it in items:
            if not isinstance(it.item, StatusItem):
                continue
            await self._hear(it, it.item, batch)
            try:
                report = read_status(it.item)
            except DoesNotFit as error:
                self._keep(it, str(error), it.item.item, batch)
                continue
            if report is None:
                DROPPED.labels("status_of_no_concern").inc()
            else:
                reports.append((it, report))
        records = await self._moves.records(report.message_id for _, report in reports if report.message_id)
        for it, report in reports:
            record = records.get(report.message_id)
            if record is None or record["phone_number_id"] != report.phone_number_id or not _may(it, record["tenant"]):
                DROPPED.labels("status_of_no_message").inc()
                continue
            STATUSES.labels(report.status.value).inc()
            if record.get("forgotten"):
                batch.reports.append((record, report.of_nobody()))
                continue
            if (known := record.get("wamids")) and report.wamid not in known:
                DUPLICATE_SENDS.inc()
            batch.reports.append((record, report))
            if (encounter := _learnt(it, record, report)) is not None and self._is_news(encounter):
                batch.encounters.append(encounter)

    async def _hear(self, it: _Item, status: StatusItem, batch: _Batch) -> None:
        """Note up to when a number was heard of, by who may speak for it: it is evidence that its webhooks flow.

        A status speaks for the time it is about: one that comes late, from a backlog of Meta's, says nothing of now.
        """
        phone_number_id = status.phone_number_id
        number = self._directory.numbers.peek(phone_number_id) or await self._directory.numbers.get(phone_number_id)
        if number is not None and _may(it, number.tenant):
            who, arrived = Heard(phone_number_id, bool(it.bound)), _arrived(it.record)
            said = min(moment(status.item.get("timestamp")) or arrived, arrived)
            META_DELAY.observe((arrived - said).total_seconds())
            batch.heard[who] = max(said, batch.heard.get(who, said))

    def _is_news(self, encounter: Encounter) -> bool:
        """Tell whether an encounter has to be written: names that were met before are not, words always."""
        if encounter.words or encounter.free_entry_until is not None:
            return True
        return _names(encounter) not in self._met

    def _remember(self, encounters: Sequence[Encounter]) -> None:
        for encounter in encounters:
            self._met[_names(encounter)] = None
        while len(self._met) > MET:
            del self._met[next(iter(self._met))]

    async def _read_message(self, it: _Item, item: MessageItem, batch: _Batch) -> None:
        tenant = await self._tenant(it, item.phone_number_id)
        if tenant is None:
            return
        arrived = _arrived(it.record)
        try:
            read = read_inbound(item, tenant, arrived, await self._words.hearing(tenant))
        except DoesNotFit as error:
            self._keep(it, str(error), item.item, batch)
            return
        META_DELAY.observe(max((arrived - read.at).total_seconds(), 0.0))
        INBOUND.labels(read.type if read.type in KNOWN_TYPES else "other").inc()
        _count_opt_outs(read.encounter)
        batch.encounters.append(read.encounter)
        batch.inbound.append((item, read, it.record))

    async def _read_change(self, it: _Item, change: Change, batch: _Batch) -> None:
        arrived = _arrived(it.record)
        at = min(change.at or arrived, arrived)  # what says that it comes from the future would stand for ever
        account = await self._directory.accounts.get(telling.waba_of(change))
        if account is None or not _may(it, account.tenant):
            DROPPED.labels("unknown_account").inc()
            return
        CHANGES.labels(change.field if change.field in telling.FIELDS else "other").inc()
        if change.field == "user_preferences":
            metadata = change.value.get("metadata")
            number = metadata.get("phone_number_id") if isinstance(metadata, dict) else None
            found = read_preferences(change.value, account.tenant, str(number or ""), at, _arrived(it.record))
            for encounter in found:
                _count_opt_outs(encounter)
            batch.encounters += found
            return
        try:
            command = telling.command(change, account.tenant, at, self._clock.now())
        except ValueError:
            self._keep(it, "change that cannot be written", change.field[:64], batch)
            return
        if command is not None:
            batch.events.append(command)

    async def _tenant(self, it: _Item, phone_number_id: str) -> str | None:
        number = await self._directory.numbers.get(phone_number_id)
        if number is None or not _may(it, number.tenant):
            DROPPED.labels("unknown_number").inc()
            return None
        return number.tenant

    def _keep(self, it: _Item, reason: str, part: Any, batch: _Batch) -> None:
        MISFITS.labels(reason).inc()
        record = it.record
        batch.misfits.append(
            KeptAside(record.topic, record.partition, record.offset, it.place, reason, part, self._clock.now())
        )


def _applied(record: Document, report: StatusReport, began: int) -> str | None:
    """Record the step of the message's trace that applied a status; None where the message has none."""
    if (parent := record.get("trace")) is None:
        return None
    about = {
        "wabus.message_id": record["_id"], "wabus.tenant": record["tenant"], "wabus.status": report.status.value,
    }  # fmt: skip
    return tracing.step(f"apply {report.status.value}", "consumer", parent, about, began)


def _may(it: _Item, tenant: str) -> bool:
    """Tell whether the signature speaks for this tenant: our own app's for all, a foreign app's for its own only."""
    return not it.bound or it.bound == tenant


def _arrived(record: Record) -> datetime:
    return datetime.fromtimestamp(record.timestamp / 1000, UTC)


def _names(encounter: Encounter) -> frozenset[str]:
    return frozenset((encounter.tenant, *encounter.names))


def _learnt(it: _Item, record: Document, report: StatusReport) -> Encounter | None:
    """Return what a status tells about the person, where it is news: another name, a free window, an opt-out."""
    tenant = record["tenant"]
    names = [record["recipient"], *(name for name in (report.recipient_id, report.user_id) if name)]
    more_names = len({name.removeprefix("+") for name in names}) > 1
    words, arrived = [], _arrived(it.record)
    if isinstance(it.item, StatusItem) and failure_code(it.item) == STOPPED_MARKETING:
        said_at, ref = min(report.at, arrived), f"{report.wamid} {STOPPED_MARKETING}"
        words.append(Word(Consent.MARKETING, OPTED_OUT, said_at, By.META, "status", ref, arrived))
        OPT_OUTS.labels("status").inc()
    free = (
        report.conversation.expires_at if report.conversation and report.conversation.origin_type == REFERRAL else None
    )
    if not (more_names or words or free):
        return None
    return Encounter(
        tenant, record["phone_number_id"], tuple(dict.fromkeys(names)), arrived,
        free_entry_until=free, words=words,
    )  # fmt: skip


def _count_opt_outs(encounter: Encounter) -> None:
    for word in encounter.words:
        if word.state == OPTED_OUT:
            OPT_OUTS.labels(word.how).inc()
