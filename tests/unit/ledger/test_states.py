from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from libs.events.messages import MessageStatus
from libs.ledger.moves import StatusReport, _Merged
from libs.ledger.states import RANKS, history_of, implied, status_of

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
REPORTED = (MessageStatus.SENT, MessageStatus.FAILED, MessageStatus.DELIVERED, MessageStatus.READ)
reports = st.lists(st.tuples(st.sampled_from(REPORTED), st.integers(0, 100)), min_size=1, max_size=12)


def _applied(batches: list[list[tuple[MessageStatus, int]]]) -> dict[str, Any]:
    """Apply batches of reports to a record as MongoDB would."""
    record: dict[str, Any] = {"state": "sending", "rank": 0, "times": {}, "history": []}
    for batch in batches:
        merged = _Merged()
        for status, second in batch:
            merged.add(StatusReport("m", "n", "w", status, NOW + timedelta(seconds=second)))
        update = merged.update()
        record["rank"] = max(record["rank"], update["$max"]["rank"])
        for path, at in update["$min"].items():
            name = path.removeprefix("times.")
            record["times"][name] = min(record["times"].get(name, at), at)
        for move in update["$addToSet"]["history"]["$each"]:
            if move not in record["history"]:
                record["history"].append(move)
    return record


@given(reports, st.randoms())
def test_statuses_in_any_order_and_any_batches_end_in_the_same_record(
    told: list[tuple[MessageStatus, int]], chance: Any
) -> None:
    shuffled = list(told)
    chance.shuffle(shuffled)
    one, other = _applied([told]), _applied([[each] for each in shuffled + told])
    assert (one["rank"], one["times"]) == (other["rank"], other["times"])
    assert {(move["status"], move["at"]) for move in one["history"]} == {
        (move["status"], move["at"]) for move in other["history"]
    }


@given(reports)
def test_the_status_is_the_furthest_that_was_reported(told: list[tuple[MessageStatus, int]]) -> None:
    record = _applied([[each] for each in told])
    assert RANKS[status_of(record)] == max(RANKS[status] for status, _ in told)


def test_late_delivered_after_read_is_ignored() -> None:
    assert status_of(_applied([[(MessageStatus.READ, 5)], [(MessageStatus.DELIVERED, 9)]])) is MessageStatus.READ


def test_failed_ends_only_what_was_not_delivered() -> None:
    assert status_of(_applied([[(MessageStatus.SENT, 1)], [(MessageStatus.FAILED, 2)]])) is MessageStatus.FAILED
    assert status_of(_applied([[(MessageStatus.FAILED, 2)], [(MessageStatus.DELIVERED, 3)]])) is MessageStatus.DELIVERED


def test_read_proves_delivered_and_every_status_proves_accepted() -> None:
    assert MessageStatus.DELIVERED in implied(MessageStatus.READ)
    assert all(MessageStatus.ACCEPTED in implied(status) for status in REPORTED)


def test_the_history_begins_with_what_we_did_however_meta_rounds_its_seconds() -> None:
    moves = [("queued", 0), ("sending", 0.4), ("accepted", 0.9), ("sent", 0), ("delivered", 1)]
    record = {
        "state": "accepted", "rank": 40, "times": {},
        "history": [{"status": name, "at": NOW + timedelta(seconds=at)} for name, at in reversed(moves)],
    }  # fmt: skip
    assert [status.value for status, _ in history_of(record)] == [name for name, _ in moves]
