"""The long fault tests: at least 2,000 messages each, faults on a schedule, three ledgers compared at the end."""

import pytest

from tests.faults.dying import MOMENTS
from tests.faults.ledgers import Watcher
from tests.faults.scenarios import (
    PEOPLE,
    QUICK,
    await_progress,
    die,
    freeze,
    kill_and_restart,
    mongod_killed_at_full_speed,
    ready,
    sender_wakes_up_with_slots,
    settle,
    topics_emptied,
    tracker_killed_while_mongod_hangs,
    usual_faults,
)
from tests.faults.workload import Workload
from tests.support.running import Number, Stack, running_stack

pytestmark = pytest.mark.long

MESSAGES = 2_000
QUIET = 300.0  # seconds until everything has come to its end
SESSION = 6.0  # seconds, of the sender in these tests
WAIT = 10.0  # seconds: lease and W of these tests together


@pytest.mark.parametrize("name", ["edge", "sender", "tracker", "mongod", "kafka"])
def test_killing_a_process_again_and_again_loses_and_doubles_nothing(
    stack: Stack, numbers: list[Number], name: str
) -> None:
    usual_faults(stack)
    workload = Workload(stack, numbers, PEOPLE)
    workload.start(MESSAGES, per_second=100)
    for kill in range(3):
        await_progress(workload, 300 + kill * 500)
        kill_and_restart(stack, name)
    assert len(settle(stack, workload, QUIET).accepted) == MESSAGES


def test_a_state_is_never_seen_to_go_back(stack: Stack, numbers: list[Number]) -> None:
    usual_faults(stack)
    workload, watcher = Workload(stack, numbers, PEOPLE), Watcher(stack)
    workload.start(MESSAGES, per_second=100)
    await_progress(workload, 200)
    watched = [each.message_id for each in list(workload.outcome.accepted)[-40:]]
    while workload.sent < MESSAGES:
        watcher.look(watched)
    settle(stack, workload, QUIET)
    watcher.look(watched)


@pytest.mark.parametrize("seconds", [SESSION * 2, WAIT * 2])
def test_a_sender_that_was_stopped_and_wakes_up_sends_nothing_twice(seconds: float) -> None:
    with running_stack("--scale", "sender=2", **QUICK) as two:
        numbers = ready(two, 4)
        usual_faults(two)
        workload = Workload(two, numbers, PEOPLE)
        workload.start(MESSAGES, per_second=60)
        await_progress(workload, 300)
        freeze(two, "sender", seconds)
        settle(two, workload, QUIET)


def test_the_sweeper_brings_back_what_the_emptied_topics_lost(stack: Stack) -> None:
    topics_emptied(stack, MESSAGES, QUIET)


def test_a_tracker_killed_while_mongod_hangs_has_committed_nothing_it_did_not_apply(stack: Stack) -> None:
    tracker_killed_while_mongod_hangs(stack, MESSAGES, QUIET)


def test_mongod_killed_at_full_speed_forgets_nothing_that_was_promised(stack: Stack) -> None:
    mongod_killed_at_full_speed(stack, MESSAGES, QUIET)


def test_waiting_slots_in_a_sender_that_was_stopped_send_nothing_twice() -> None:
    with running_stack("--scale", "sender=2", **QUICK) as two:
        sender_wakes_up_with_slots(two, MESSAGES, QUIET)


def test_a_reset_on_a_number_that_is_quiet_otherwise_is_found_out(stack: Stack, numbers: list[Number]) -> None:
    quiet = stack.connect(throughput=1000)
    quiet.open_windows(PEOPLE[:1])
    stack.box("POST", "/faults", {"kind": "accept_then_reset", "count": 1, "phone_number_id": quiet.id})
    answer = quiet.send(PEOPLE[0])
    assert answer.status_code == 202
    quiet.reaches(answer.json()["id"], seconds=60)
    assert len([row for row in stack.sends() if row["phone_number_id"] == quiet.id]) == 1


def test_a_send_that_meta_never_got_is_sent_once_more_while_webhooks_flow(stack: Stack, numbers: list[Number]) -> None:
    stack.box("POST", "/faults", {"kind": "http_5xx", "body": False, "count": 5})
    workload = Workload(stack, numbers, PEOPLE)
    workload.start(MESSAGES, per_second=100)
    settle(stack, workload, QUIET)
    assert stack.metric("sender", "wabus_sender_resent_total") >= 1


@pytest.mark.parametrize("moment", MOMENTS)
def test_dying_between_two_writes_again_and_again_loses_and_doubles_nothing(
    stack: Stack, numbers: list[Number], moment: str
) -> None:
    usual_faults(stack)
    workload = Workload(stack, numbers, PEOPLE)
    workload.start(MESSAGES, per_second=60)
    for death in (1, 3, 5):
        die(stack, moment, after=death)
    settle(stack, workload, QUIET)
