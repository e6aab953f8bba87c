"""Campaigns of thousands, again and again, with services killed at random points and pause and resume in between."""

import pytest

from tests.faults.campaigns import Campaign, trouble
from tests.support.running import Stack

pytestmark = pytest.mark.long

PEOPLE = 5_000
RUNS = 20


@pytest.mark.parametrize("run", range(RUNS))
def test_a_campaign_reaches_everybody_once_whatever_is_killed(stack: Stack, run: int) -> None:
    campaign = Campaign(stack, [f"4916{run:02d}{i:07d}" for i in range(PEOPLE)], 1000)
    trouble(campaign, run, rounds=4)
    campaign.check(300)
