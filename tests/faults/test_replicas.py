"""Three brokers and three members on one machine: whoever leads is killed under load, and another one takes over."""

from collections.abc import Callable, Iterator

import pytest

from tests.faults.campaigns import Campaign
from tests.faults.replicas import Recovery, Replicas, killed
from tests.faults.scenarios import PEOPLE, QUICK, await_progress, ready, settle
from tests.faults.workload import Workload
from tests.support.running import Number, Stack, running_stack

pytestmark = pytest.mark.long

RECOVERS_WITHIN = 20.0  # seconds from the kill, for accepting and for flowing alike
RATE = 40  # messages a second: seven servers and nine services share two cores
MESSAGES = 2_400
QUIET = 180.0
ASIDE = PEOPLE[-4:]  # people whom only the measuring messages go to, so that these wait behind no others

BEHIND = 2.0  # seconds that the others lag at the second death: less than a session, or they would be dead too

Leader = Callable[[Replicas], str]


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with running_stack("--brokers", "3", "--members", "3", **QUICK) as running:
        yield running


@pytest.fixture(scope="module")
def numbers(stack: Stack) -> list[Number]:
    return ready(stack, 2)


@pytest.mark.parametrize(
    "leader",
    [Replicas.leader_of_most_wake_ups, Replicas.mongo_primary, Replicas.controller],
    ids=["leader of wake-ups", "primary", "controller"],
)
def test_the_death_of_a_leader_loses_and_doubles_nothing_and_is_over_within_seconds(
    stack: Stack, numbers: list[Number], leader: Leader
) -> None:
    replicas, workload = Replicas(stack), Workload(stack, numbers, PEOPLE[:-4])
    workload.start(MESSAGES, per_second=RATE)
    recoveries: list[Recovery] = []
    for death in range(2):
        await_progress(workload, 200 + death * 800)
        victim = leader(replicas)
        recoveries.append(killed(stack, victim, numbers, ASIDE, BEHIND * death))
        stack.restart(victim)
        replicas.await_copies()
    settle(stack, workload, QUIET)
    for each in recoveries:
        print(f"{each.victim}: accepts after {each.accepts:.1f} s, flows after {each.flows:.1f} s")  # noqa: T201
    assert all(max(each.accepts, each.flows) <= RECOVERS_WITHIN for each in recoveries), recoveries


def test_a_campaign_reaches_everybody_once_while_the_primary_and_a_leader_die(stack: Stack) -> None:
    """Its rows and counters move in transactions, which an election breaks off."""
    replicas, campaign = Replicas(stack), Campaign(stack, [f"491521{i:07d}" for i in range(2_000)], 60)
    for leader in (Replicas.mongo_primary, Replicas.leader_of_most_wake_ups):
        victim = leader(replicas)
        stack.kill(victim)
        stack.cli("stop", victim)
        campaign.does("pause")
        campaign.does("resume")
        stack.restart(victim)
        replicas.await_copies()
    assert campaign.read()["counts"]["pending"], "they die within"
    campaign.check(QUIET)
