"""Campaigns of thousands, again and again, with services killed at random points and pause and resume in between."""

from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from tests.faults.campaigns import Campaign, trouble
from tests.faults.dying import moments_of
from tests.faults.scenarios import die
from tests.support.running import Stack

pytestmark = pytest.mark.long

PEOPLE = 5_000
RUNS = 20
RATE = 80  # messages a second: slow enough for four faults within


@pytest.mark.parametrize("run", range(RUNS))
def test_a_campaign_reaches_everybody_once_whatever_is_killed(stack: Stack, run: int) -> None:
    campaign = Campaign(stack, [f"4916{run:02d}{i:07d}" for i in range(PEOPLE)], RATE)
    assert trouble(campaign, run, rounds=4) >= 2, "faults come while there is something to break"
    campaign.check(300)


@pytest.mark.parametrize("moment", moments_of("campaigns"))
def test_a_campaign_reaches_everybody_once_when_its_service_dies_between_any_two_writes(
    stack: Stack, moment: str
) -> None:
    first = 4_000_000 + 1_000 * moments_of("campaigns").index(moment)
    campaign = Campaign(stack, [f"4916{first + i:09d}" for i in range(1_000)], 80)
    with ThreadPoolExecutor(1) as pool:
        for after in (1, 2):
            dying = pool.submit(die, stack, moment, after)
            while not dying.done():
                campaign.does("pause")
                campaign.does("resume")
                wait([dying], 2)
            dying.result()
    assert campaign.read()["counts"]["pending"], "it dies within"
    campaign.check(120)
