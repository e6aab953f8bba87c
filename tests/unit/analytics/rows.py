"""Rows of the history as tests need them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from services.analytics import counting
from services.analytics.charges import charge_of
from services.analytics.counting import Sums
from services.analytics.lines import line_of

NOON = datetime(2026, 10, 5, 12, tzinfo=UTC)
RANKS = ("accepted", "sent", "failed", "delivered", "read")


def row(status: str, *, message: str = "m", minutes: float | None = None, **more: Any) -> dict[str, Any]:
    """A row of one status; its time follows that of the status before unless `minutes` after noon are given."""
    later = RANKS.index(status) if minutes is None and status in RANKS else minutes or 0
    made: dict[str, Any] = {
        "_id": f"{message}:{status}", "tenant": "t", "message_id": message, "status": status,
        "at": NOON + timedelta(minutes=later), "created_at": NOON, "phone_number_id": "1", "conversation_id": "c",
        "type": "template", "category": "marketing", "country": "DE", "template": "sale", "campaign_id": None,
        "wamid": f"wamid.{message}", "topic": "messages.status.v1", "partition": 0, "offset": RANKS.index(status)
        if status in RANKS else 9,
    }  # fmt: skip
    return made | more


def priced(billable: bool | None = True, category: str = "marketing", kind: str = "regular", model: str = "PMP") -> Any:
    """Meta's word on a price; without `billable` where that is None."""
    said: dict[str, Any] = {"pricing_model": model, "type": kind, "category": category}
    return said if billable is None else said | {"billable": billable}


def contribution(rows: Sequence[dict[str, Any]]) -> Sums:
    """What a message adds whose charge was booked as soon as it was known, by a line of its own."""
    charge = charge_of(rows)
    if charge is None or charge.billable is None:
        return counting.contribution(rows, None)
    return counting.contribution(rows, line_of(rows, charge, True if charge.opens else None, None, NOON))
