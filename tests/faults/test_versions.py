"""An upgrade: today's processes take the places of an earlier version's one by one, while messages go on."""

from collections.abc import Iterator

import pytest

from deploy.local.topics import read_topics
from tests.faults.campaigns import Campaign
from tests.faults.scenarios import PEOPLE, QUICK, await_progress, ready, settle
from tests.faults.versions import EarlierStack, Takeover, earlier_stack
from tests.faults.workload import Workload
from tests.support.balancer import Balancer, balancing
from tests.support.shared_stack import buried

pytestmark = pytest.mark.long

SERVICES = ("edge", "sender", "tracker", "templates", "campaigns", "analytics", "notifier", "autoreply")
RATE = 50  # messages a second: nineteen processes and a campaign beside them share two cores
MOST = 100_000  # messages: they come until all are of the new version
TOGETHER = 20  # seconds for which half of the processes are of each version
AUDIENCE = [f"4918{i:08d}" for i in range(2_400)]
SLOWLY = 12  # of them a second, so that the campaign goes on for as long
QUIET = 180.0


@pytest.fixture
def balancer() -> Iterator[Balancer]:
    with balancing() as running:
        yield running


@pytest.fixture
def stack(balancer: Balancer) -> Iterator[EarlierStack]:
    twice = [option for name in SERVICES for option in ("--scale", f"{name}=2")]
    settings = QUICK | {"WABUS_SANDBOX_WEBHOOK_URL": f"{balancer.url}/webhooks/whatsapp"}
    with earlier_stack(balancer.url, *twice, **settings) as running:
        balancer.backends = [
            running.info["metrics"][name].removesuffix("/metrics") for name in ("edge", "edge-2")
        ]  # fmt: skip
        yield running


@pytest.fixture
def takeover(stack: EarlierStack) -> Iterator[Takeover]:
    going_on = Takeover(stack)
    yield going_on
    going_on.stop()


def test_two_versions_side_by_side_and_then_the_new_one_lose_and_double_nothing(
    stack: EarlierStack, takeover: Takeover
) -> None:
    workload = Workload(stack, ready(stack, 2), PEOPLE)
    workload.start(MOST, per_second=RATE)
    campaign = Campaign(stack, AUDIENCE, SLOWLY)
    await_progress(workload, RATE)
    takeover.jobs()
    for service in SERVICES:
        takeover.takes(f"{service}-2")
    halfway = workload.sent
    await_progress(workload, halfway + RATE * TOGETHER)
    for service in SERVICES:
        takeover.takes(service)
    await_progress(workload, workload.sent + RATE)
    workload.stopped.set()
    outcome = settle(stack, workload, QUIET)
    print(f"{len(outcome.accepted)} accepted, {halfway} of them before half were of each version")  # noqa: T201
    assert not outcome.unclear
    campaign.check(QUIET)
    dead = [topic.name for topic in read_topics() if topic.name.endswith(".dlt")]
    assert not {name: count for name in dead if (count := buried(stack, name))}, "each reads what the other wrote"
