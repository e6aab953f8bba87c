"""Messages of unknown outcome: looked for in the webhooks, sent once more only when they certainly did not arrive."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from libs.directory.directory import Directory
from libs.events.messages import MessageStatus
from libs.events.topics import META_WEBHOOKS
from libs.kafka.bus import Bus
from libs.ledger.due import DueRecords
from libs.ledger.flow import Door, Flow
from services.sender.decisions import Doubt, Evidence, judge
from services.sender.metrics import KEPT_UNKNOWN, RESENT, SWEPT, UNKNOWN
from services.sender.settler import Settler

AUTHENTICATION = "AUTHENTICATION"
FORGOTTEN_AFTER = 3  # looks that did not find a message unknown any more: its outcome is known

Document = dict[str, Any]
log = structlog.get_logger()


class Reconciler:
    """Decides about records found `sending` by a dead owner, and about every unknown outcome."""

    def __init__(
        self,
        due: DueRecords,
        flow: Flow,
        directory: Directory,
        settler: Settler,
        bus: Bus,
        lease: timedelta,
        wait: timedelta,
        no_flow_limit: timedelta,
        look_every: timedelta,
    ) -> None:
        self._due = due
        self._flow = flow
        self._directory = directory
        self._settler = settler
        self._bus = bus
        self._lease = lease
        self._wait = wait
        self._no_flow_limit = no_flow_limit
        self._look_every = look_every
        self._unknown: dict[str, datetime] = {}  # when each was last looked at: what is found out just stops coming

    async def orphan(self, row: Document, now: datetime) -> None:
        """Move a record whose claimant died to unknown, and tell it."""
        if await self._due.orphaned(row, now, now + self._look_every):
            await self._settler.tell([(row, MessageStatus.UNKNOWN, now)])
            SWEPT.labels("orphaned").inc()

    async def look(self, rows: Sequence[Document], now: datetime) -> list[Document]:
        """Look at unknown records; -> those whose conversation wants a wake-up: queued again, or out of the way."""
        self._count(rows, now)
        if not rows:
            return []
        partitions = (await self._bus.partition_counts([META_WEBHOOKS]))[META_WEBHOOKS]
        applied = await self._flow.applied_until(partitions)
        heard = await self._flow.heard({row["phone_number_id"] for row in rows})
        anyone, door = await self._flow.heard_at_all(), await self._flow.door()
        released: list[Document] = []
        for row in rows:
            said = (heard.get(row["phone_number_id"]), anyone)
            doubt, reason = await self._judge(row, now, applied, door, said)
            if doubt is Doubt.WAIT:
                await self._due.postpone([(row, now + self._look_every)])
            elif doubt is Doubt.RESEND and await self._due.release(row, now):
                self._unknown.pop(row["_id"], None)
                RESENT.inc()
                log.info("unknown_sent_once_more", message_id=row["_id"], tenant=row["tenant"])
                released.append(row)
            elif doubt is Doubt.KEEP and await self._due.keep_unknown(row, reason):
                self._unknown.pop(row["_id"], None)
                KEPT_UNKNOWN.labels(reason).inc()
                log.warning("unknown_kept", message_id=row["_id"], tenant=row["tenant"], reason=reason)
                released.append(row)
        return released

    def _count(self, rows: Sequence[Document], now: datetime) -> None:
        since = now - FORGOTTEN_AFTER * self._look_every
        self._unknown = {name: at for name, at in self._unknown.items() if at > since}
        self._unknown |= {row["_id"]: now for row in rows}
        UNKNOWN.set(len(self._unknown))

    async def _judge(
        self,
        row: Document,
        now: datetime,
        applied: datetime | None,
        door: Door,
        said: tuple[datetime | None, datetime | None],
    ) -> tuple[Doubt, str]:
        """Judge one record; `said` is when its number, and when anybody through our app, was last heard of."""
        account = await self._directory.account(row["tenant"], row["waba_id"])
        foreign = account is not None and account.app_secret is not None
        told = said[:1] if foreign else said  # what our app hears says nothing of another app's webhooks
        evidence = Evidence(
            attempted_at=row["claim"]["at"],
            now=now,
            applied_until=applied,
            heard_at=max(filter(None, told), default=None),
            one_time_code=(row.get("template") or {}).get("category") == AUTHENTICATION,
            at_most_once=account is not None and account.at_most_once,
            open_until=door.open_until,
            interrupted_until=door.interrupted_until,
        )
        return judge(evidence, self._lease, self._wait, self._no_flow_limit)
