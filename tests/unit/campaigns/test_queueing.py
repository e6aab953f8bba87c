from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from libs.ledger.intake import Stored
from libs.ledger.record import OutboundDraft
from libs.runtime.clock import SystemClock
from libs.runtime.ids import new_id
from services.campaigns.queueing import Queueing
from tests.support.recording import Run, ids

TEMPLATE = {"name": "offer", "language": "en_US", "category": "MARKETING"}


class Ledger:
    """Takes every draft; nobody is refused, and nobody listens to wake-ups and moves."""

    def __init__(self) -> None:
        self.stored: list[dict[str, Any]] = []

    async def accept_all(self, drafts: Sequence[OutboundDraft]) -> list[Stored]:
        documents = [draft.document() for draft in drafts]
        self.stored += documents
        return [Stored(document, replayed=False) for document in documents]

    async def move(self, *_: Any) -> None:
        """Nothing moves."""

    async def publish_many(self, *_: Any, **__: Any) -> None:
        """Nobody listens."""


async def queued(count: int) -> list[dict[str, Any]]:
    ledger: Any = Ledger()
    began = datetime(2026, 11, 1, tzinfo=UTC)
    campaign = {
        "_id": new_id(), "tenant": "t", "waba_id": "1", "phone_number_id": "2", "template": TEMPLATE,
        "rounds": {"1": began},
    }  # fmt: skip
    rows = [{"_id": new_id(), "round": 1, "to": f"+1555123{place:04d}"} for place in range(count)]
    await Queueing(ledger, ledger, ledger, ledger, SystemClock()).store(campaign, rows)
    found: list[dict[str, Any]] = ledger.stored
    return found


async def test_each_message_of_a_campaign_begins_a_trace_of_its_own() -> None:
    run = Run(1.0)
    await run.part.start()
    stored = await queued(3)
    await run.part.stop()
    assert len({document["trace"].split("-")[1] for document in stored}) == 3
    shown = {ids(span)[0]: dict(span.attributes or {}) for span in run.kept.spans}
    for document in stored:
        assert shown[document["trace"].split("-")[1]]["wabus.message_id"] == document["_id"]


@pytest.mark.parametrize("recording", [False, True])
async def test_a_message_that_nobody_chose_has_no_trace_in_its_record(recording: bool) -> None:
    run = Run(0.0)
    if recording:
        await run.part.start()
    stored = await queued(3)
    await run.part.stop()
    assert len(stored) == 3
    assert not any("trace" in document for document in stored)
