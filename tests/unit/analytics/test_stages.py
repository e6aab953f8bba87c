"""How far a message came, whatever is known of it."""

import itertools

from services.analytics.stages import failure_of, stages_of
from tests.unit.analytics.rows import NOON, row


def test_a_status_proves_the_stages_before_it() -> None:
    assert set(stages_of([row("read")])) == {"accepted", "sent", "delivered", "read"}
    assert set(stages_of([row("sent")])) == {"accepted", "sent"}


def test_the_earliest_proof_dates_a_stage_in_any_order() -> None:
    rows = [row("read", minutes=9), row("delivered", minutes=5), row("sent", minutes=2)]
    for order in itertools.permutations(rows):
        found = stages_of(order)
        assert [(found[name] - NOON).seconds // 60 for name in ("sent", "delivered", "read")] == [2, 5, 9]


def test_what_was_delivered_after_all_did_not_fail() -> None:
    assert "failed" in stages_of([row("sent"), row("failed")])
    for order in itertools.permutations([row("sent"), row("failed"), row("delivered")]):
        assert "failed" not in stages_of(order)


def test_a_failure_has_its_code_where_somebody_said_it() -> None:
    assert failure_of([row("sent"), row("failed", error="undeliverable")]) == "undeliverable"
    assert failure_of([row("failed")]) is None
