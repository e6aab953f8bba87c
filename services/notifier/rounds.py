"""Serving one endpoint: what is due is sent, a few at a time, until nothing is, or it fails, or others wait."""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from libs.directory.vault import CannotDecrypt, Vault
from libs.runtime.clock import Clock
from libs.runtime.gather import Gather
from services.notifier.delivery_store import DeliveryStore, Settled
from services.notifier.domain import DeliveryState, DisabledReason, Health, Outcome, Patience
from services.notifier.endpoint_store import EndpointStore
from services.notifier.metrics import AGE, ATTEMPTS, ENDED, TRIPPED
from services.notifier.postman import Postman, Target
from services.notifier.retirement import Retirement

CHUNK = 100  # deliveries read at once, with their bodies
LINGER = 0.02  # seconds that an outcome waits for others to be written with

Document = dict[str, Any]
log = structlog.get_logger()


class Turn:
    """One stretch of sending: over at its end, when we stop, or the endpoint fails in a row or says that it is gone."""

    def __init__(self, health: Health, ends: float, clock: Clock, closing: asyncio.Event) -> None:
        self.health = health
        self.gone = False
        self.succeeded_at: datetime | None = None
        self.failed_at: datetime | None = None
        self._ends = ends
        self._clock = clock
        self._closing = closing
        self._made = 0

    @property
    def over(self) -> bool:
        """Tell whether nothing more is to be begun; the first attempt always is."""
        if self._made == 0:
            return False
        late = self._closing.is_set() or self._clock.monotonic() >= self._ends
        return late or self.gone or self.health.tripped

    def begin(self) -> None:
        """Note that an attempt begins."""
        self._made += 1

    def note(self, outcome: Outcome) -> None:
        """Learn from an attempt."""
        self.health = self.health.after(outcome)
        self.gone = self.gone or outcome.gone
        if outcome.succeeded:
            self.succeeded_at = outcome.at
        else:
            self.failed_at = outcome.at


class Rounds:
    """Serves endpoints that were claimed for `owner`."""

    def __init__(
        self,
        endpoints: EndpointStore,
        deliveries: DeliveryStore,
        postman: Postman,
        retirement: Retirement,
        vault: Vault,
        patience: Patience,
        clock: Clock,
        *,
        owner: str,
        at_once: int,
        timeout: timedelta,
    ) -> None:
        self._endpoints = endpoints
        self._deliveries = deliveries
        self._postman = postman
        self._retirement = retirement
        self._vault = vault
        self._patience = patience
        self._clock = clock
        self._chance = random.Random()
        self.owner = owner
        self._at_once = at_once
        # A turn and the attempts that began at its end fit into a lease, with as much again to write them down.
        self._turn = timeout.total_seconds() / 2
        self.lease = timeout * 2
        self._closing = asyncio.Event()
        self._settle: Gather[Settled, None] = Gather(deliveries.settle, linger=LINGER)

    def close(self) -> None:
        """Begin no further attempt: those under way end and are written down."""
        self._closing.set()

    async def serve(
        self, endpoint: Document | None, crowded: Callable[[], bool], wake_at: Callable[[datetime], None]
    ) -> None:
        """Send what is due, then let the endpoint go; raises Outage.

        `crowded` says that others wait, `wake_at` is told when the endpoint has something to send again.
        """
        while endpoint is not None:
            endpoint_id = endpoint["_id"]
            health = Health(endpoint["failures"], endpoint.get("failing_since"))
            most = 1 if health.tripped else CHUNK
            rows = await self._deliveries.due(endpoint_id, self._clock.now(), most)
            if rows:
                if (until := await self._send(endpoint, rows, health)) is not None:
                    wake_at(until)
                    return
                if crowded():
                    await self._endpoints.yield_to_others(endpoint_id, self.owner, self._clock.now())
                    return
            else:
                next_due = await self._deliveries.next_due(endpoint_id)
                if await self._endpoints.rest(endpoint_id, self.owner, endpoint["work"], next_due):
                    if next_due is not None:
                        wake_at(next_due)
                    return
            endpoint = await self._endpoints.renew(endpoint_id, self.owner, self.lease)

    async def _send(self, endpoint: Document, rows: Sequence[Document], health: Health) -> datetime | None:
        """Send for a turn and write down what came of it; -> until when it is left in peace, None for not at all."""
        turn = await self._take_turn(endpoint, rows, health)
        endpoint_id, now = endpoint["_id"], self._clock.now()
        await self._endpoints.note(endpoint_id, turn.health, turn.succeeded_at, turn.failed_at)
        if turn.gone:
            await self._retirement.disable(endpoint, DisabledReason.GONE, turn.health.failing_since or now)
        elif turn.health.is_hopeless(now, self._patience.disable_after):
            await self._retirement.disable(endpoint, DisabledReason.FAILING, turn.health.failing_since or now)
        elif turn.health.tripped:
            TRIPPED.inc(not health.tripped)
            until = now + self._patience.pause(turn.health)
            await self._endpoints.pause(endpoint_id, self.owner, until)
            return until
        return None

    async def _take_turn(self, endpoint: Document, rows: Sequence[Document], health: Health) -> Turn:
        turn = Turn(health, self._clock.monotonic() + self._turn, self._clock, self._closing)
        left, settling = deque(rows), []

        async def send_some() -> None:
            while left and not turn.over:
                row = left.popleft()
                turn.begin()
                outcome = await self._attempt(endpoint, row)
                turn.note(outcome)
                settling.append(asyncio.ensure_future(self._settle(self._settled(row, outcome))))

        await asyncio.gather(*(send_some() for _ in range(min(self._at_once, len(rows)))))
        await asyncio.gather(*settling)
        return turn

    async def _attempt(self, endpoint: Document, row: Document) -> Outcome:
        try:
            target = Target.of(endpoint, self._vault, self._clock.now())
        except CannotDecrypt:
            log.error("webhook_secret_unreadable", tenant=endpoint["tenant"])
            return Outcome(self._clock.now(), 0, "secret_unreadable")
        return await self._postman.attempt(target, row)

    def _settled(self, row: Document, outcome: Outcome) -> Settled:
        ATTEMPTS.labels(outcome.error or "delivered").inc()
        due = None
        if outcome.succeeded:
            state = DeliveryState.DELIVERED
            AGE.observe(max((self._clock.now() - row["created_at"]).total_seconds(), 0.0))
        else:
            due = self._patience.next_try(row["tries"] + 1, outcome, self._chance)
            state = DeliveryState.FAILED if due is None else DeliveryState.PENDING
        if due is None:
            ENDED.labels(state.value).inc()
        return Settled(row["_id"], outcome, state, due)
