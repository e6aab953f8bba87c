"""Disabling an endpoint that is gone or has failed for days, with a notice to the tenant's others."""

from datetime import datetime
from typing import Any

import structlog

from libs.runtime.clock import Clock
from services.notifier.delivery_store import DeliveryStore
from services.notifier.domain import DisabledReason
from services.notifier.endpoint_store import EndpointStore
from services.notifier.fan_out import FanOut
from services.notifier.metrics import DISABLED
from services.notifier.notices import disabled_notice
from services.notifier.subscriptions import Subscriptions

log = structlog.get_logger()


class Retirement:
    """Takes endpoints out of service."""

    def __init__(
        self,
        endpoints: EndpointStore,
        deliveries: DeliveryStore,
        subscriptions: Subscriptions,
        fan_out: FanOut,
        clock: Clock,
    ) -> None:
        self._endpoints = endpoints
        self._deliveries = deliveries
        self._subscriptions = subscriptions
        self._fan_out = fan_out
        self._clock = clock

    async def disable(self, endpoint: dict[str, Any], reason: DisabledReason, failing_since: datetime) -> None:
        """Tell the others, then disable it and hold what waits: a crash in between tells once all the same."""
        now = self._clock.now()
        notice = disabled_notice(endpoint, reason.value, failing_since, now)
        await self._fan_out.tell([notice], besides=endpoint["_id"])
        if await self._endpoints.disable(endpoint["_id"], reason, now):
            DISABLED.labels(reason.value).inc()
            log.warning("webhook_endpoint_disabled", tenant=endpoint["tenant"], reason=reason.value)
        await self._deliveries.hold(endpoint["_id"])
        self._subscriptions.forget(endpoint["tenant"])
