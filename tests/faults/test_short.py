"""The short version of the fault tests: some hundred messages, every service killed, every gap between two writes."""

import pytest

from tests.faults.dying import MOMENTS
from tests.faults.ledgers import Ledgers
from tests.faults.scenarios import PEOPLE, await_progress, die, kill_and_restart
from tests.faults.workload import Workload
from tests.support.running import Number, Stack

QUIET = 120.0  # seconds until everything has come to its end: several leases and waits


def test_nothing_is_lost_or_sent_twice_while_every_process_is_killed_in_turn(
    stack: Stack, numbers: list[Number]
) -> None:
    stack.box("POST", "/faults", {"kind": "accept_then_reset", "share": 0.02})
    stack.box("POST", "/faults", {"kind": "webhooks_doubled", "share": 0.2})
    stack.box("POST", "/faults", {"kind": "webhooks_shuffled", "share": 0.1})
    stack.box("POST", "/faults", {"kind": "webhooks_early", "share": 0.1})
    workload = Workload(stack, numbers, PEOPLE)
    workload.start(800, per_second=60)
    for place, name in enumerate(("sender", "tracker", "edge", "mongod", "kafka")):
        await_progress(workload, 80 + place * 130)
        kill_and_restart(stack, name)
    outcome = workload.finish()
    assert len(outcome.accepted) == 800
    ledgers = Ledgers(stack)
    ledgers.await_quiet(outcome, QUIET)
    ledgers.check(outcome)


@pytest.mark.parametrize("moment", MOMENTS)
def test_nothing_is_lost_or_sent_twice_when_a_service_dies(stack: Stack, numbers: list[Number], moment: str) -> None:
    workload = Workload(stack, numbers, PEOPLE, connections=4)
    workload.start(100, per_second=40)
    die(stack, moment, after=2)
    outcome = workload.finish()
    ledgers = Ledgers(stack)
    ledgers.await_quiet(outcome, QUIET)
    ledgers.check(outcome)
