"""From events to deliveries: one per endpoint that listens, stored before anything is sent."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from libs.directory.reach import EVERYTHING, TEST, Reach
from libs.runtime.clock import Clock
from libs.runtime.ids import derived_id
from services.notifier.delivery_store import DeliveryStore
from services.notifier.domain import DeliveryState
from services.notifier.endpoint_store import EndpointStore
from services.notifier.metrics import EVENTS, QUEUED, SKIPPED
from services.notifier.notices import Notice, events_of_message
from services.notifier.subscriptions import Subscription, Subscriptions

SLACK = timedelta(seconds=5)  # Meta counts whole seconds, and its clock is not ours

Document = dict[str, Any]


class Accounts(Protocol):
    """Knows whose accounts are what."""

    async def reach(self, tenant: str, mode: str) -> Reach:
        """Return what a key of this mode reaches."""


class FanOut:
    """Stores the deliveries of events and wakes who sends them. `wake` is called when there is work."""

    def __init__(
        self,
        subscriptions: Subscriptions,
        endpoints: EndpointStore,
        deliveries: DeliveryStore,
        directory: Accounts,
        clock: Clock,
        oldest: timedelta,
        kept: timedelta,
        wake: Callable[[], None],
    ) -> None:
        self._subscriptions = subscriptions
        self._endpoints = endpoints
        self._deliveries = deliveries
        self._directory = directory
        self._clock = clock
        self._oldest = oldest
        self._kept = kept
        self.wake = wake

    async def tell(self, notices: Sequence[Notice], besides: str | None = None) -> None:
        """Store a delivery for each endpoint (`besides` one) that listens; what was stored before stays as it is.

        Raises MongoUnavailable; telling the same once more is harmless.
        """
        now, rows = self._clock.now(), []
        # Asked for once: one that a test key makes meanwhile would be told of live accounts, for nobody looked for it.
        listeners = {tenant: await self._subscriptions.of(tenant) for tenant in {it.tenant for it in notices}}
        reached = await self._sandboxes(listeners)
        for notice in notices:
            sandboxes = reached.get(notice.tenant, EVERYTHING)
            listening = [
                each for each in listeners[notice.tenant]
                if each.endpoint_id != besides and each.wants(notice, sandboxes) and self._is_news(notice, each, now)
            ]  # fmt: skip
            if listening:
                body = notice.body()
                rows += [
                    self.delivery(notice, body, each.endpoint_id, now, held=not each.enabled) for each in listening
                ]
                EVENTS.labels(notice.type).inc()
        await self._store(rows)

    async def _sandboxes(self, listeners: Mapping[str, Sequence[Subscription]]) -> dict[str, Reach]:
        """Return what test keys reach, of the tenants that have endpoints which test keys made."""
        tenants = [tenant for tenant, them in listeners.items() if any(each.made_by_test_key for each in them)]
        return {tenant: await self._directory.reach(tenant, TEST) for tenant in tenants}

    async def send(self, notice: Notice, endpoint_id: str) -> Document:
        """Store a delivery for one endpoint, whatever it listens to; -> the delivery."""
        now = self._clock.now()
        row = self.delivery(notice, notice.body(), endpoint_id, now)
        await self._store([row])
        return row

    async def forget(self, messages: Sequence[tuple[str, str]]) -> None:
        """Remove all that was, or would be, said of messages (tenant, id) whose person was forgotten."""
        gone: list[str] = []
        for tenant, message_id in messages:
            events = events_of_message(tenant, message_id)
            for told in await self._subscriptions.all_of(tenant):
                gone += [delivery_id(told.endpoint_id, event_id) for event_id in events]
        if gone:
            await self._deliveries.remove(gone)

    async def bump(self, endpoint_id: str) -> None:
        """Note that an endpoint was given something to send."""
        await self._bump({endpoint_id})

    async def _store(self, rows: Sequence[Document]) -> None:
        if not rows:
            return
        QUEUED.inc(await self._deliveries.add(rows))
        # Also where none was new: a crash may have come between the deliveries and this.
        await self._bump({row["endpoint_id"] for row in rows if "due" in row})

    async def _bump(self, endpoint_ids: Collection[str]) -> None:
        for lost in await self._endpoints.bump(endpoint_ids, self._clock.now()):
            # It was disabled or deleted while we still took it for one that listens: nobody will send these.
            await self._deliveries.hold(lost)
        self.wake()

    def _is_news(self, notice: Notice, subscription: Subscription, now: datetime) -> bool:
        """Tell news from history that is read again: older than we would know it, or than the endpoint is."""
        if notice.at < now - self._oldest:
            SKIPPED.labels("too_old").inc()
            return False
        if notice.at < subscription.created_at - SLACK:
            SKIPPED.labels("before_the_endpoint").inc()
            return False
        return True

    def delivery(self, notice: Notice, body: bytes, endpoint_id: str, now: datetime, *, held: bool = False) -> Document:
        """Return a delivery's document; its id is the one of this endpoint and event."""
        row: Document = {
            "_id": delivery_id(endpoint_id, notice.event_id),
            "tenant": notice.tenant,
            "endpoint_id": endpoint_id,
            "event_id": notice.event_id,
            "type": notice.type,
            "state": (DeliveryState.HELD if held else DeliveryState.PENDING).value,
            "tries": 0,
            "attempt_count": 0,
            "log": [],
            "body": body,
            "size": len(body),
            "event_at": notice.at,
            "created_at": now,
            "expires_at": now + self._kept,
        }
        if notice.trace is not None:
            row["trace"] = notice.trace
        return row if held else row | {"due": now}


def delivery_id(endpoint_id: str, event_id: str) -> str:
    """Return the id of the one delivery of an event to an endpoint."""
    return derived_id("delivery", endpoint_id, event_id)
