"""The sweeper: one safety net for lost wake-ups, dead claimants, retries, waits and untold events.

One sender at a time holds its lease. It takes what is past `due` and does what its state asks for.
"""

import asyncio
import contextlib
from datetime import datetime, timedelta
from typing import Any

import structlog

from libs.events.messages import MessageStatus
from libs.kafka.bus import Bus
from libs.kafka.events import outgoing
from libs.ledger.due import DueRecords
from libs.ledger.record import wake_up
from libs.ledger.states import ENDED_BY_US
from libs.mongo.leases import Lease
from libs.runtime.clock import Clock
from libs.runtime.errors import Outage
from services.sender.metrics import SWEPT, UNKNOWN
from services.sender.reconcile import Reconciler
from services.sender.settler import SOURCE, Settler

BATCH = 1_000  # records of one sweep
FIRST_AGAIN = timedelta(seconds=45)  # until a queued message's next wake-up, doubling
LONGEST_AGAIN = timedelta(minutes=5)  # a conversation behind a long wait is not woken more often for nothing
TELL_AGAIN = timedelta(seconds=45)  # should this sweeper die before the event is acknowledged
PAUSE_AFTER_OUTAGE = 2.0  # seconds: a server that comes back is not met by a storm of sweeps
RENEW = 3.0  # seconds between renewals of the lease

# What a record's state still says where a status of Meta's came while nobody knew its outcome.
NOT_SETTLED = (MessageStatus.SENDING.value, MessageStatus.UNKNOWN.value)

Document = dict[str, Any]
log = structlog.get_logger()


class Sweeper:
    """A part: sweeps while it holds the lease."""

    def __init__(
        self,
        due: DueRecords,
        settler: Settler,
        reconciler: Reconciler,
        bus: Bus,
        lease: Lease,
        clock: Clock,
        every: timedelta,
    ) -> None:
        self._due = due
        self._settler = settler
        self._reconciler = reconciler
        self._bus = bus
        self._lease = lease
        self._clock = clock
        self._every = every.total_seconds()
        self._held_until = 0.0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to sweep."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop sweeping and give the lease to another sender."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        with contextlib.suppress(Outage):
            await self._lease.release()

    async def _run(self) -> None:
        while True:
            try:
                full = await self._is_ours() and await self.sweep() == BATCH
                pause = 0.0 if full else self._every
            except Outage:
                pause = PAUSE_AFTER_OUTAGE
            except Exception:
                log.exception("sweep_failed")
                pause = PAUSE_AFTER_OUTAGE
            await asyncio.sleep(pause)

    async def _is_ours(self) -> bool:
        if self._clock.monotonic() < self._held_until:
            return True
        asked = self._clock.monotonic()
        if not await self._lease.hold():
            UNKNOWN.set(0)  # whoever sweeps now tells it
            return False
        self._held_until = asked + RENEW
        return True

    async def sweep(self) -> int:
        """Deal with what is due now; -> how many records that were."""
        now = self._clock.now()
        rows = await self._due.past(now, BATCH)
        queued: list[Document] = []
        orphans: list[Document] = []
        unknown: list[Document] = []
        settled: list[Document] = []
        for row in rows:
            state = MessageStatus(row["state"])
            if row["rank"] or state in ENDED_BY_US:
                settled.append(row)
            elif state is MessageStatus.QUEUED:
                queued.append(row)
            elif state is MessageStatus.SENDING:
                orphans.append(row)
            else:
                unknown.append(row)
        await self._tell(settled, now)
        await self._release([row for row in settled if row["state"] in NOT_SETTLED], now)
        await asyncio.gather(*(self._reconciler.orphan(row, now) for row in orphans))
        queued += await self._reconciler.look(unknown, now)
        await self._wake(queued, now)
        return len(rows)

    async def _wake(self, rows: list[Document], now: datetime) -> None:
        """Publish wake-ups again and put the next look further away each time. What waited for its time opens first."""
        if not rows:
            return
        await self._due.open([row for row in rows if "open" not in row])
        await self._bus.publish_many([outgoing(wake_up(row, source=SOURCE, now=now)) for row in rows])
        await self._due.postpone([(row, now + _again(row)) for row in rows])
        missed = sum(_missed(row) for row in rows)
        SWEPT.labels("missed").inc(missed)
        SWEPT.labels("woken").inc(len(rows) - missed)

    async def _release(self, rows: list[Document], now: datetime) -> None:
        """Wake the conversations of messages that Meta settled, not their sender: others may wait behind them."""
        if rows:
            await self._bus.publish_many([outgoing(wake_up(row, source=SOURCE, now=now)) for row in rows])
            SWEPT.labels("released").inc(len(rows))

    async def _tell(self, rows: list[Document], now: datetime) -> None:
        """Tell what a settled record's own events are: a crash may have come between the record and the event."""
        if not rows:
            return
        await self._due.postpone([(row, now + TELL_AGAIN) for row in rows])
        await self._settler.tell([(row, status, at) for row in rows for status, at in untold(row)])
        await self._settler.forget_due(rows)
        SWEPT.labels("told").inc(len(rows))


def untold(row: Document) -> list[tuple[MessageStatus, datetime]]:
    """Return the states of a settled record that no webhook tells: accepted, and those that we ended it in."""
    times = {MessageStatus(name): at for name, at in row["times"].items()}
    ours = {MessageStatus.ACCEPTED, *ENDED_BY_US}
    if row["state"] == MessageStatus.FAILED.value:  # ours; a failure that Meta told has another last state of ours
        ours.add(MessageStatus.FAILED)
    return [(status, at) for status, at in times.items() if status in ours]


def _missed(row: Document) -> bool:
    """Tell whether a queued message was never tried nor put off: its wake-ups were lost, or nobody gets round to it."""
    return not any(row.get(name) for name in ("not_before", "send_at", "claim"))


def _again(row: Document) -> timedelta:
    looks: int = row.get("looks", 0)
    return min(FIRST_AGAIN * (1 << min(looks, 10)), LONGEST_AGAIN)
