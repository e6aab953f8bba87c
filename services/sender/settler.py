"""Writing what came of claims: the record first, then the event, then `due` goes. In groups, for many at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from libs.events.messages import MessageStatus
from libs.events.model import Told
from libs.kafka.bus import Bus
from libs.kafka.events import outgoing
from libs.ledger.claims import Claims, Settlement
from libs.ledger.record import told
from libs.runtime.clock import Clock
from libs.runtime.gather import Gather
from services.sender.metrics import ACCEPT_TO_WAMID, SETTLED
from services.sender.patience import patiently

LINGER = 0.02  # seconds an outcome waits for others: a crash within it costs a reconcile, not a duplicate
TOLD_LINGER = 0.25  # seconds: nobody waits for it, the sweeper covers its loss

SOURCE = "sender"


@dataclass(frozen=True, slots=True)
class Settled:
    """A settlement with the record it is about; `trace` is its attempt, where that is recorded."""

    record: dict[str, Any]
    settlement: Settlement
    trace: str | None = None


class Settler:
    """A part: settles claims, and ends messages that were never claimed."""

    def __init__(self, claims: Claims, bus: Bus, clock: Clock) -> None:
        self._claims = claims
        self._bus = bus
        self._clock = clock
        self._settling: Gather[Settled, None] = Gather(self._settle, linger=LINGER, parallel=1)
        self._telling: Gather[tuple[str, str], None] = Gather(self._told, linger=TOLD_LINGER, parallel=1)

    async def start(self) -> None:
        """Groups form as outcomes come."""

    async def stop(self) -> None:
        """Write what waits."""
        await self._settling.drain()
        await self._telling.drain()

    async def settle(self, settled: Settled) -> None:
        """Write an outcome; returns when the record is stored and the event acknowledged."""
        await self._settling(settled)

    async def end(self, record: dict[str, Any], status: MessageStatus, error: Any = None) -> bool:
        """End a queued message without a POST, and tell it; -> whether it was still queued."""
        now = self._clock.now()
        if not await patiently(lambda: self._claims.end(record, status, now, error), "end"):
            return False
        if error is not None:
            record["error"] = error.model_dump(exclude_none=True)
        await self.tell([(record, status, now)])
        await self.forget_due([record])
        SETTLED.labels(status.value).inc()
        return True

    async def tell(self, moves: Sequence[tuple[dict[str, Any], MessageStatus, datetime]]) -> None:
        """Publish the events of moves; returns when they are acknowledged."""
        now = self._clock.now()
        events = [outgoing(told(record, status, at, source=SOURCE, now=now)) for record, status, at in moves]
        await patiently(lambda: self._bus.publish_many(events), "tell")

    async def forget_due(self, records: Sequence[dict[str, Any]]) -> None:
        """Note that everything is told about these settled messages: they are not due any more."""
        await self._told([(record["tenant"], record["_id"]) for record in records])

    async def _settle(self, group: Sequence[Settled]) -> Sequence[None]:
        await patiently(lambda: self._claims.settle([item.settlement for item in group]), "settle")
        now = self._clock.now()
        events = []
        for item in group:
            status = item.settlement.status
            SETTLED.labels(status.value).inc()
            if status is MessageStatus.QUEUED:
                continue
            events.append(outgoing(_event(item, now)))
            if status is MessageStatus.ACCEPTED:
                waited = (item.settlement.at - item.record["created_at"]).total_seconds()
                ACCEPT_TO_WAMID.labels(item.record["lane"]).observe(max(waited, 0.0))
        if events:
            await patiently(lambda: self._bus.publish_many(events), "tell")
        for item in group:
            if item.settlement.status in (MessageStatus.ACCEPTED, MessageStatus.FAILED):
                self._telling.put((item.record["tenant"], item.record["_id"]))
        return [None] * len(group)

    async def _told(self, ids: Sequence[tuple[str, str]]) -> Sequence[None]:
        await patiently(lambda: self._claims.told(ids), "told")
        return [None] * len(ids)


def _event(item: Settled, now: datetime) -> Told:
    settlement = item.settlement
    more: dict[str, Any] = {"attempt": settlement.claim.attempt, "error": settlement.error, "wamid": settlement.wamid}
    return told(item.record, settlement.status, settlement.at, source=SOURCE, now=now, trace=item.trace, **more)
