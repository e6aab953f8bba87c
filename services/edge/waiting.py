"""A cap on what waits: a tenant that accepts faster than it can send is told so before anything is stored."""

from libs.ledger.reader import MessageReader
from libs.runtime.periodic import Periodic
from libs.web.errors import TooManyRequests, Unavailable
from services.edge.metrics import WAITING

EVERY = 2.0  # seconds between two counts; what this process adds in between is counted in memory
RETRY_AFTER = 5  # seconds told to the caller


class WaitingCap(Periodic):
    """A part: counts the open messages of the tenants that are at work, and of all."""

    def __init__(self, reader: MessageReader, per_tenant: int, in_all: int) -> None:
        super().__init__(EVERY)
        self._reader = reader
        self._per_tenant = per_tenant
        self._in_all = in_all
        self._waiting: dict[str, int] = {}
        self._all = 0

    def check(self, tenant: str) -> None:
        """Raise TooManyRequests where the tenant has too much waiting, Unavailable where all have."""
        if self._waiting.get(tenant, 0) >= self._per_tenant:
            words = f"More than {self._per_tenant} messages are waiting; nothing was stored."
            raise TooManyRequests(words, code="too_many_waiting", retry_after=RETRY_AFTER)
        if self._all >= self._in_all:
            raise Unavailable("Too many messages are waiting; nothing was stored.", retry_after=RETRY_AFTER)

    def added(self, tenant: str) -> None:
        """Count a message that was stored."""
        self._waiting[tenant] = self._waiting.get(tenant, 0) + 1
        self._all += 1

    async def _round(self) -> None:
        # Only tenants that added something since the last count, or had much waiting at it, can be near the cap.
        for tenant in list(self._waiting):
            count = await self._reader.waiting(tenant, self._per_tenant)
            if count:
                self._waiting[tenant] = count
            else:
                del self._waiting[tenant]
        self._all = sum(self._waiting.values())
        WAITING.set(self._all)
