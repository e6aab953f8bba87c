"""Each check is shown to fail: a bug is planted in a copy of the source, and its scenario must notice it."""

from collections.abc import Callable

import pytest

from tests.faults.planted import BUGS, planted
from tests.faults.scenarios import (
    QUICK,
    mongod_killed_at_full_speed,
    sender_wakes_up_with_slots,
    statuses_shuffled,
    topics_emptied,
    tracker_dies_before_telling,
    tracker_killed_while_mongod_hangs,
)
from tests.support.running import Stack, running_stack

pytestmark = pytest.mark.long

QUIET = 60.0  # seconds: what the bug breaks does not come to an end
NOTICED = r"I1|I2|I3|I4|events lost|all settled"

SCENARIOS: dict[str, tuple[Callable[[Stack, int, float], None], int, tuple[str, ...]]] = {
    "commit before finish": (tracker_killed_while_mongod_hangs, 600, ()),
    "claim without state filter": (sender_wakes_up_with_slots, 1_600, ("--scale", "sender=2")),
    "sweeper off": (topics_emptied, 200, ()),
    "status without rank": (statuses_shuffled, 400, ()),
    "event only if the move was new": (tracker_dies_before_telling, 4_000, ()),
    "w=1": (mongod_killed_at_full_speed, 2_000, ()),
}


@pytest.fixture
def stack() -> None:
    """No stack is shared here: each bug has its own."""


@pytest.fixture(autouse=True)
def _no_faults_left() -> None:
    """As above."""


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_noticed(name: str) -> None:
    scenario, messages, options = SCENARIOS[name]
    with planted(name), running_stack(*options, **QUICK) as broken, pytest.raises(AssertionError, match=NOTICED):
        scenario(broken, messages, QUIET)
