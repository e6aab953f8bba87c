"""From what Meta reports to what is true: moves of the ledger, what statuses tell of people, changes of accounts and
templates, and the events and commands that tell of them.

A batch is written in a few round trips, then told, then committed: each step may be repeated without harm, so a crash
between any two of them loses nothing.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from libs.directory.directory import Directory
from libs.events.messages import MessageStatus
from libs.graph.webhooks import Change, Misfit, StatusItem, moment
from libs.kafka.record import Outgoing
from libs.ledger.consent import OPTED_OUT, By, Consent, Word
from libs.ledger.flow import Heard
from libs.ledger.moves import Moves, StatusReport
from libs.ledger.people import Encounter
from libs.observability import tracing
from libs.runtime.clock import Clock
from services.tracker import telling
from services.tracker.acquaintances import Acquaintances
from services.tracker.items import Placed
from services.tracker.metrics import CHANGES, DROPPED, DUPLICATE_SENDS, META_DELAY, STATUSES
from services.tracker.readings import (
    REFERRAL,
    STOPPED_MARKETING,
    DoesNotFit,
    failure_code,
    read_preferences,
    read_status,
)
from services.tracker.store import KeptAside, MisfitStore

Document = dict[str, Any]


@dataclass(slots=True)
class Findings:
    """What all items of a batch but messages come to: moves, whom they tell of, and when each number was heard of."""

    reports: list[tuple[Document, StatusReport]] = field(default_factory=list)
    began: int = field(default_factory=time.time_ns)
    encounters: list[Encounter] = field(default_factory=list)
    misfits: list[KeptAside] = field(default_factory=list)
    events: list[Outgoing] = field(default_factory=list)
    heard: dict[Heard, datetime] = field(default_factory=dict)


class StatusTracker:
    """Applies batches of statuses and changes."""

    def __init__(
        self, directory: Directory, moves: Moves, acquaintances: Acquaintances, misfits: MisfitStore, clock: Clock
    ) -> None:
        self._directory = directory
        self._moves = moves
        self._acquaintances = acquaintances
        self._misfits = misfits
        self._clock = clock

    async def read(self, items: Sequence[Placed]) -> Findings:
        """Read all items but messages, and find the records that they are about. Raises MongoUnavailable."""
        found = Findings()
        await self._read_statuses(items, found)
        for it in items:
            if isinstance(it.item, Change):
                await self._read_change(it, it.item, found)
            elif isinstance(it.item, Misfit):
                self._keep(it, it.item.reason, it.item.part, found)
        return found

    async def apply(self, found: Findings) -> list[Outgoing]:
        """Write what was found, but for the people, who were met before; -> the events to publish.

        Raises MongoUnavailable with nothing lost: applying the same items again ends in the same records.
        """
        now = self._clock.now()
        found_out = {record["_id"] for record, _ in found.reports if record["state"] == MessageStatus.UNKNOWN.value}
        reports = [(record["tenant"], report) for record, report in found.reports]
        await self._moves.apply(reports, found_out, now)
        await self._misfits.keep(found.misfits)
        events = list(found.events)
        for record, report in found.reports:
            events += telling.statuses(record, report, now, _applied(record, report, found.began))
        return events

    async def _read_statuses(self, items: Sequence[Placed], found: Findings) -> None:
        reports: list[tuple[Placed, StatusReport]] = []
        for it in items:
            if not isinstance(it.item, StatusItem):
                continue
            await self._hear(it, it.item, found)
            try:
                report = read_status(it.item)
            except DoesNotFit as error:
                self._keep(it, str(error), it.item.item, found)
                continue
            if report is None:
                DROPPED.labels("status_of_no_concern").inc()
            else:
                reports.append((it, report))
        records = await self._moves.records(report.message_id for _, report in reports if report.message_id)
        for it, report in reports:
            record = records.get(report.message_id)
            if record is None or not _is_about(it, report, record):
                DROPPED.labels("status_of_no_message").inc()
            else:
                self._report(it, report, record, found)

    def _report(self, it: Placed, report: StatusReport, record: Document, found: Findings) -> None:
        STATUSES.labels(report.status.value).inc()
        if record.get("forgotten"):
            found.reports.append((record, report.of_nobody()))
            return
        if (known := record.get("wamids")) and report.wamid not in known:
            DUPLICATE_SENDS.inc()
        found.reports.append((record, report))
        if (encounter := _learnt(it, record, report)) is not None and self._acquaintances.are_news(encounter):
            found.encounters.append(encounter)

    async def _hear(self, it: Placed, status: StatusItem, found: Findings) -> None:
        """Note up to when a number was heard of, by who may speak for it: it is evidence that its webhooks flow.

        A status speaks for the time it is about: one that comes late, from a backlog of Meta's, says nothing of now.
        """
        phone_number_id = status.phone_number_id
        number = self._directory.numbers.peek(phone_number_id) or await self._directory.numbers.get(phone_number_id)
        if number is not None and it.may_speak_of(number.tenant):
            who = Heard(phone_number_id, bool(it.bound))
            said = min(moment(status.item.get("timestamp")) or it.arrived, it.arrived)
            META_DELAY.observe((it.arrived - said).total_seconds())
            found.heard[who] = max(said, found.heard.get(who, said))

    async def _read_change(self, it: Placed, change: Change, found: Findings) -> None:
        at = min(change.at or it.arrived, it.arrived)  # what says that it comes from the future would stand for ever
        account = await self._directory.accounts.get(telling.waba_of(change))
        if account is None or not it.may_speak_of(account.tenant):
            DROPPED.labels("unknown_account").inc()
            return
        CHANGES.labels(change.field if change.field in telling.FIELDS else "other").inc()
        if change.field == "user_preferences":
            metadata = change.value.get("metadata")
            number = metadata.get("phone_number_id") if isinstance(metadata, dict) else None
            found.encounters += read_preferences(change.value, account.tenant, str(number or ""), at, it.arrived)
            return
        try:
            command = telling.command(change, account.tenant, at, self._clock.now())
        except ValueError:
            self._keep(it, "change that cannot be written", change.field[:64], found)
            return
        if command is not None:
            found.events.append(command)

    def _keep(self, it: Placed, reason: str, part: Any, found: Findings) -> None:
        found.misfits.append(it.aside(reason, part, self._clock.now()))


def _is_about(it: Placed, report: StatusReport, record: Document) -> bool:
    return record["phone_number_id"] == report.phone_number_id and it.may_speak_of(record["tenant"])


def _applied(record: Document, report: StatusReport, began: int) -> str | None:
    """Record the step of the message's trace that applied a status; None where the message has none."""
    if (parent := record.get("trace")) is None:
        return None
    about = {
        "wabus.message_id": record["_id"], "wabus.tenant": record["tenant"], "wabus.status": report.status.value,
    }  # fmt: skip
    return tracing.step(f"apply {report.status.value}", "consumer", parent, about, began)


def _learnt(it: Placed, record: Document, report: StatusReport) -> Encounter | None:
    """Return what a status tells about the person, where it is news: another name, a free window, an opt-out."""
    tenant = record["tenant"]
    names = [record["recipient"], *(name for name in (report.recipient_id, report.user_id) if name)]
    more_names = len({name.removeprefix("+") for name in names}) > 1
    words = []
    if isinstance(it.item, StatusItem) and failure_code(it.item) == STOPPED_MARKETING:
        said_at, ref = min(report.at, it.arrived), f"{report.wamid} {STOPPED_MARKETING}"
        words.append(Word(Consent.MARKETING, OPTED_OUT, said_at, By.META, "status", ref, it.arrived))
    free = (
        report.conversation.expires_at if report.conversation and report.conversation.origin_type == REFERRAL else None
    )
    if not (more_names or words or free):
        return None
    return Encounter(
        tenant, record["phone_number_id"], tuple(dict.fromkeys(names)), it.arrived,
        free_entry_until=free, words=words,
    )  # fmt: skip
