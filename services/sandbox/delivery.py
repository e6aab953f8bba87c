"""Delivery of webhooks: at their time, signed, again with growing gaps until they are taken."""

import asyncio
import heapq
import itertools
import random
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, NamedTuple

import structlog

from services.sandbox import metrics
from services.sandbox.clock import iso
from services.sandbox.courier import Courier
from services.sandbox.faults import Faults
from services.sandbox.model import App
from services.sandbox.parking import NOT_THERE, Parking
from services.sandbox.store import Store, WebhookRow
from services.sandbox.webhooks import Change, body_of, signature
from services.sandbox.world import World

log = structlog.get_logger()

# Seconds to the next try: several at once (an operator measured five in nine seconds), then growing. Meta's gaps go on
# growing for hours; here they stop at five seconds, so that a test that takes its receiver away recovers at once.
GAPS = (0.3, 0.7, 1.5, 2.5, 4.0, 5.0)
RETENTION = 7 * 24 * 3600.0  # seconds until Meta gives a webhook up
IN_FLIGHT = 64  # POSTs at a time; further ones wait for their turn
TICK = 0.01  # seconds: what is due within one tick is sent together
BATCH_SECONDS, BATCH_SIZE = 0.25, 1000  # a batch under `webhooks_batched`: how long it is filled, Meta's most updates
REMEMBERED = 500  # deliveries that the control side can look at
BAD_SIGNATURE = "sha256=" + "0" * 64


class Owner(NamedTuple):
    """Whose webhook it is: a send's (by seq) or a stored webhook's (by id)."""

    table: str
    id: int


@dataclass(slots=True, eq=False)
class Parcel:
    """What goes to one app in one POST, or what is still to be addressed (`app_id` None)."""

    changes: list[Change]
    owners: list[Owner]
    born: float
    app_id: str | None = None
    target: tuple[str, str] | None = None  # address and secret, as they were when it was addressed
    tries: int = 0
    probe: bool = False  # it asks whether a receiver that was not there is back
    first_try: "asyncio.Future[None] | None" = None


class Deliveries:
    """The engine: a heap of what is due, a bounded number of POSTs in flight, retries that do not hold up others."""

    def __init__(self, world: World, store: Store, faults: Faults, dice: random.Random, courier: Courier) -> None:
        self._world, self._store, self._faults, self._dice, self._courier = world, store, faults, dice, courier
        self._heap: list[tuple[float, int, Parcel]] = []
        self._order = itertools.count()
        self._ready: deque[Parcel] = deque()
        self._pending: dict[Owner, int] = {}
        self._batches: dict[str, list[Parcel]] = {}
        self._in_flight: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self._webhook_ids = itertools.count(1)
        self._parking: Parking[Parcel] = Parking(self._ask, self._push, dice)
        metrics.PENDING.set_function(lambda: len(self._heap) + len(self._ready) + len(self._parking))
        self.recent: deque[tuple[float, Parcel, int | str, int]] = deque(maxlen=REMEMBERED)

    async def start(self) -> None:
        """Take up what an earlier run left undelivered."""
        await self._courier.start()
        rows = self._store.webhooks()
        self._webhook_ids = itertools.count(max((row.id for row in rows), default=0) + 1)
        for row in rows:
            change = Change(row.waba_id, row.field, row.value, None, row.number_id, row.person)
            self.schedule(change, max(0.0, row.due - time.time()), Owner("webhooks", row.id))

    async def stop(self) -> None:
        """Let go: what was not taken is delivered by the next run."""
        if self._timer is not None:
            self._timer.cancel()
        self._parking.close()
        for task in self._in_flight:
            task.cancel()
        await asyncio.gather(*self._in_flight, return_exceptions=True)
        await self._courier.stop()

    def post(self, change: Change, delay: float = 0.0) -> None:
        """Keep a webhook and deliver it after `delay` seconds."""
        owner = Owner("webhooks", next(self._webhook_ids))
        self._store.add_webhook(
            WebhookRow(
                owner.id,
                time.time() + delay,
                change.waba_id,
                change.number_id,
                change.person,
                change.field,
                change.value,
            )
        )
        self.schedule(change, delay, owner)

    def schedule(self, change: Change, delay: float, owner: Owner, watched: bool = False) -> Parcel:
        """Deliver a change after `delay` seconds, as the faults in force have it; `watched` gives it a `first_try`."""
        parcel = Parcel([change], [owner], time.time())
        if watched:
            parcel.first_try = asyncio.get_running_loop().create_future()
        self._pending[owner] = self._pending.get(owner, 0) + 1
        strike, where = self._faults.strike, (change.number_id, change.person)
        if strike("webhooks_dropped", *where):
            self._settle(parcel)
            return parcel
        late = strike("webhooks_late", *where)
        if late is not None:
            delay += late.number("seconds", 5.0)
        if strike("webhooks_doubled", *where):
            self._pending[owner] += 1
            self._push(Parcel([change], [owner], time.time()), delay + 0.05)
        self._push(parcel, delay)
        return parcel

    # -- the clockwork

    def _push(self, parcel: Parcel, delay: float) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + delay
        heapq.heappush(self._heap, (due, next(self._order), parcel))
        if self._timer is None or due < self._timer_due - TICK:
            self._set_timer(loop, due)

    def _set_timer(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_due = max(due, loop.time() + TICK)
        self._timer = loop.call_at(self._timer_due, self._wake)

    def _wake(self) -> None:
        loop, heap, self._timer = asyncio.get_running_loop(), self._heap, None
        now = loop.time()
        while heap and heap[0][0] <= now:
            self._address(heapq.heappop(heap)[2])
        if heap:
            self._set_timer(loop, heap[0][0])

    def _address(self, parcel: Parcel) -> None:
        """Find out who gets it; nobody does when no app is subscribed."""
        if parcel.app_id is not None:
            self._dispatch(parcel)
            return
        change = parcel.changes[0]
        account = self._world.accounts.get(change.waba_id)
        number = self._world.numbers.get(change.number_id or "")
        callbacks = self._world.callbacks(account, number) if account is not None else []
        if not callbacks:
            self._settle(parcel)
            return
        batched = self._faults.strike("webhooks_batched", change.number_id, change.person)
        for app, url in callbacks[1:]:
            self._pending[parcel.owners[0]] += 1
            self._dispatch(Parcel(parcel.changes, parcel.owners, parcel.born, app.id, (url, app.secret)))
        app, url = callbacks[0]
        parcel.app_id, parcel.target = app.id, (url, app.secret)
        if batched is None:
            self._dispatch(parcel)
        else:
            self._batch(parcel, batched.number("seconds", BATCH_SECONDS), int(batched.number("size", BATCH_SIZE)))

    def _batch(self, parcel: Parcel, seconds: float, size: int) -> None:
        key = f"{parcel.app_id}:{parcel.changes[0].number_id}"
        batch = self._batches.setdefault(key, [])
        batch.append(parcel)
        if len(batch) >= size:
            self._close_batch(key)
        elif len(batch) == 1:
            asyncio.get_running_loop().call_later(seconds, self._close_batch, key)

    def _close_batch(self, key: str) -> None:
        batch = self._batches.pop(key, None)
        if batch:
            changes = [change for parcel in batch for change in parcel.changes]
            owners = [owner for parcel in batch for owner in parcel.owners]
            self._dispatch(Parcel(changes, owners, batch[0].born, batch[0].app_id, first_try=batch[0].first_try))

    def _dispatch(self, parcel: Parcel) -> None:
        if len(self._in_flight) >= IN_FLIGHT:
            self._ready.append(parcel)
            return
        task = asyncio.get_running_loop().create_task(self._work(parcel))
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)

    async def _work(self, parcel: Parcel) -> None:
        await self._attempt(parcel)
        while self._ready:
            await self._attempt(self._ready.popleft())

    # -- one try

    async def _attempt(self, parcel: Parcel) -> None:
        target, parcel.target = parcel.target or self._target(parcel), None
        if target is None:
            self._settle(parcel)
            return
        url, secret = target
        probe, parcel.probe = parcel.probe, False
        if self._parking.closed(url) and not probe:
            self._parking.park(url, parcel)
            return
        change, body = parcel.changes[0], body_of(parcel.changes)
        bad = self._faults.strike("webhooks_badly_signed", change.number_id, change.person)
        parcel.tries += 1
        result = await self._courier.post(url, body, BAD_SIGNATURE if bad else signature(secret, body))
        self.recent.append((time.time(), parcel, result, parcel.tries))
        if parcel.first_try is not None and not parcel.first_try.done():
            parcel.first_try.set_result(None)
        if result == 200:
            metrics.TAKEN.inc()
            self._settle(parcel)
        else:
            metrics.REFUSED.inc()
            self._retry(parcel, url, result)
        if probe and result not in NOT_THERE:
            self._parking.opened(url)

    def _target(self, parcel: Parcel) -> tuple[str, str] | None:
        change = parcel.changes[0]
        account = self._world.accounts.get(change.waba_id)
        number = self._world.numbers.get(change.number_id or "")
        for app, url in self._world.callbacks(account, number) if account is not None else []:
            if app.id == parcel.app_id:
                return url, app.secret
        return None

    def _ask(self, parcel: Parcel) -> None:
        parcel.probe = True
        self._dispatch(parcel)

    def _retry(self, parcel: Parcel, url: str, result: int | str) -> None:
        if time.time() - parcel.born > RETENTION:
            log.warning("webhook_given_up", attempts=parcel.tries)
            self._settle(parcel)
            return
        if result in NOT_THERE:
            self._parking.park(url, parcel, first=True)
            return
        gap = GAPS[min(parcel.tries, len(GAPS)) - 1]
        self._push(parcel, gap * (0.8 + 0.4 * self._dice.random()))

    def _settle(self, parcel: Parcel) -> None:
        if parcel.first_try is not None and not parcel.first_try.done():
            parcel.first_try.set_result(None)
        for owner in parcel.owners:
            left = self._pending.get(owner, 1) - 1
            if left > 0:
                self._pending[owner] = left
                continue
            self._pending.pop(owner, None)
            if owner.table == "sends":
                self._store.close_send(owner.id)
            else:
                self._store.close_webhook(owner.id)

    # -- for the control side

    async def deliver_raw(self, url: str, body: bytes, app: App) -> int | str:
        """Post a given body once, signed by an app; return the HTTP status or the name of what went wrong."""
        return await self._courier.post(url, body, signature(app.secret, body))

    def pending(self) -> int:
        """Return how many sends and webhooks are not settled yet."""
        return len(self._pending)

    def shown(self, limit: int) -> list[dict[str, Any]]:
        """Return the latest attempts, newest first: when, what, how it ended, which try it was."""
        latest = list(itertools.islice(reversed(self.recent), limit))
        return [
            {
                "at": iso(at), "fields": [change.field for change in parcel.changes], "result": result, "try": tries,
                "body": body_of(parcel.changes).decode(),
            }
            for at, parcel, result, tries in latest
        ]  # fmt: skip
