"""Items of webhook bodies with where they came from, and whom they may speak of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from libs.graph.webhooks import WebhookItem
from libs.kafka.record import Record
from services.tracker.metrics import MISFITS
from services.tracker.store import KeptAside


@dataclass(frozen=True, slots=True)
class Body:
    """One webhook body, taken apart; `bound` is the tenant that its signature speaks for, empty for all."""

    record: Record
    bound: str
    items: Sequence[WebhookItem]


@dataclass(frozen=True, slots=True)
class Placed:
    """One item of a body with where it came from; `arrived` is when Meta posted it."""

    record: Record
    arrived: datetime
    place: int
    bound: str
    item: WebhookItem

    def may_speak_of(self, tenant: str) -> bool:
        """Tell whether the signature speaks for this tenant: our own app's for all, a foreign app's for its own."""
        return not self.bound or self.bound == tenant

    def aside(self, reason: str, part: Any, now: datetime) -> KeptAside:
        """Return a part of it that does not fit, as it is kept, and count it."""
        MISFITS.labels(reason).inc()
        return KeptAside(self.record.topic, self.record.partition, self.record.offset, self.place, reason, part, now)


def placed(bodies: Sequence[Body]) -> list[Placed]:
    """Return the items of bodies, in their order."""
    found: list[Placed] = []
    for body in bodies:
        arrived = datetime.fromtimestamp(body.record.timestamp / 1000, UTC)
        found += [Placed(body.record, arrived, place, body.bound, item) for place, item in enumerate(body.items)]
    return found
