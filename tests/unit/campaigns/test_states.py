"""A recipient's state: what the row says, and where the campaign's cursor is."""

from datetime import UTC, datetime
from typing import Any

import pytest

from libs.events.messages import MessageStatus
from services.campaigns.states import RecipientState, message_id_of, state_after, state_of

BEGAN = datetime(2026, 11, 1, tzinfo=UTC)


def row(first: str, number: int = 0, state: str = "pending") -> dict[str, Any]:
    return {"_id": f"{first}0000000-0000-5000-8000-000000000000", "round": number, "state": state}


@pytest.mark.parametrize(
    ("where", "number", "queued"),
    [("1", 1, True), ("6", 1, True), ("8", 1, False), ("f", 0, True), ("1", 2, False)],
)
def test_who_waits_is_queued_once_the_cursor_has_passed(where: str, number: int, queued: bool) -> None:
    campaign = {"round": 1, "cursor": "7", "rounds": {"0": BEGAN, "1": BEGAN}}
    assert (state_of(row(where, number), campaign) is RecipientState.QUEUED) is queued
    assert (message_id_of(row(where, number), campaign) is not None) is queued


def test_a_new_round_is_a_new_message_and_the_same_round_the_same() -> None:
    campaign = {"round": 1, "cursor": "7", "rounds": {"0": BEGAN, "1": BEGAN}}
    assert message_id_of(row("1", 0), campaign) == message_id_of(row("1", 0), campaign)
    assert message_id_of(row("1", 0), campaign) != message_id_of(row("1", 1), campaign)


@pytest.mark.parametrize("state", ["skipped", "held_out"])
def test_who_was_left_out_has_no_message(state: str) -> None:
    assert message_id_of(row("1", 0, state), {"round": 0, "cursor": "f", "rounds": {"0": BEGAN}}) is None


def test_a_state_never_goes_back_in_whatever_order_statuses_come() -> None:
    reached = RecipientState.QUEUED
    for status in (MessageStatus.READ, MessageStatus.SENT, MessageStatus.FAILED, MessageStatus.ACCEPTED):
        reached = state_after(reached, status) or reached
    assert reached is RecipientState.READ
    assert state_after(RecipientState.PENDING, MessageStatus.SENT) is None
    assert state_after(RecipientState.QUEUED, MessageStatus.SENDING) is None
    assert state_after(RecipientState.QUEUED, MessageStatus.UNKNOWN) is RecipientState.UNKNOWN
    assert state_after(RecipientState.UNKNOWN, MessageStatus.ACCEPTED) is RecipientState.ACCEPTED
