"""Who listens to what: the endpoints of a tenant, cached, so that one without endpoints costs a look into a dict."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from libs.directory.cache import EntryCache
from libs.directory.reach import TEST, Reach
from libs.runtime.clock import Clock
from services.notifier.domain import DisabledReason, EndpointStatus
from services.notifier.endpoint_store import EndpointStore
from services.notifier.event_types import matches
from services.notifier.notices import Notice


@dataclass(frozen=True, slots=True)
class Subscription:
    """One endpoint as the fan-out sees it."""

    endpoint_id: str
    events: tuple[str, ...]
    phone_number_ids: frozenset[str]
    enabled: bool
    created_at: datetime
    listens: bool = True
    made_by_test_key: bool = False

    def wants(self, notice: Notice, sandboxes: Reach) -> bool:
        """Tell whether this endpoint listens to such an event; what is about no single number concerns all.

        One that a test key made hears of what test keys reach: of `sandboxes`.
        """
        if self.made_by_test_key and not notice.is_within(sandboxes):
            return False
        if not matches(self.events, notice.type):
            return False
        number = notice.phone_number_id
        return number is None or not self.phone_number_ids or number in self.phone_number_ids


class Subscriptions:
    """The endpoints that are sent something, or for which something is held."""

    def __init__(self, endpoints: EndpointStore, clock: Clock) -> None:
        self._endpoints = endpoints
        self._entries: EntryCache[tuple[Subscription, ...]] = EntryCache(self._load, clock)

    async def of(self, tenant: str) -> tuple[Subscription, ...]:
        """Return a tenant's subscriptions; raises MongoUnavailable."""
        return tuple(each for each in await self.all_of(tenant) if each.listens)

    async def all_of(self, tenant: str) -> tuple[Subscription, ...]:
        """Return also those that listen no more, but were told things before; raises MongoUnavailable."""
        found = self._entries.peek(tenant)
        return found if found is not None else await self._entries.get(tenant)

    def forget(self, tenant: str) -> None:
        """Forget what is cached of a tenant: it changed."""
        self._entries.forget(tenant)

    async def _load(self, tenant: str) -> tuple[Subscription, ...]:
        rows = await self._endpoints.all_of(tenant)
        return tuple(_subscription(row) for row in rows)


def _listens(row: Mapping[str, Any]) -> bool:
    return row["status"] == EndpointStatus.ENABLED or row.get("disabled_reason") == DisabledReason.FAILING


def _subscription(row: Mapping[str, Any]) -> Subscription:
    return Subscription(
        endpoint_id=row["_id"],
        events=tuple(row["events"]),
        phone_number_ids=frozenset(row["phone_number_ids"]),
        enabled=row["status"] == EndpointStatus.ENABLED,
        created_at=row["created_at"],
        listens=_listens(row),
        made_by_test_key=row.get("mode") == TEST,
    )
