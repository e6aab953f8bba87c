"""The short version of the fault tests: some hundred messages, every process killed, every gap between two writes."""

from tests.faults.dying import MOMENTS
from tests.faults.scenarios import PEOPLE, await_progress, die, kill_and_restart, settle, usual_faults
from tests.faults.workload import Workload
from tests.support.running import Number, Stack

QUIET = 120.0  # seconds until everything has come to its end: several leases and waits


def test_nothing_is_lost_or_sent_twice_while_every_process_is_killed_in_turn(
    stack: Stack, numbers: list[Number]
) -> None:
    usual_faults(stack)
    workload = Workload(stack, numbers, PEOPLE)
    workload.start(800, per_second=60)
    for place, name in enumerate(("sender", "tracker", "edge", "mongod", "kafka")):
        await_progress(workload, 80 + place * 130)
        kill_and_restart(stack, name)
    assert len(settle(stack, workload, QUIET).accepted) == 800


def test_nothing_is_lost_or_sent_twice_when_a_service_dies_between_any_two_writes(
    stack: Stack, numbers: list[Number]
) -> None:
    workload = Workload(stack, numbers, PEOPLE, connections=4)
    workload.start(4_000, per_second=20)
    for moment in MOMENTS:
        die(stack, moment)
    workload.stopped.set()
    settle(stack, workload, QUIET)
