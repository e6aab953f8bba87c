"""What waits, counted now and then for the metrics."""

from libs.runtime.clock import Clock
from libs.runtime.periodic import Periodic
from services.notifier.delivery_store import DeliveryStore
from services.notifier.endpoint_store import EndpointStore
from services.notifier.metrics import DISABLED_NOW, OLDEST, WAITING

EVERY = 30.0  # seconds: an operator looks at minutes


class Census(Periodic):
    """A part: counts what is due and who is disabled."""

    def __init__(self, endpoints: EndpointStore, deliveries: DeliveryStore, clock: Clock) -> None:
        super().__init__(EVERY)
        self._endpoints = endpoints
        self._deliveries = deliveries
        self._clock = clock

    async def _round(self) -> None:
        count, overdue = await self._deliveries.waiting(self._clock.now())
        WAITING.set(count)
        OLDEST.set(overdue)
        DISABLED_NOW.set(await self._endpoints.count_disabled())
