"""Members join, leave, die and freeze under load: nothing is lost, first runs keep their order, repeats are counted."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from libs.kafka.bus import Bus
from tests.integration.kafka.conftest import GROUP, MakeTopics
from tests.support.members import Crowd, Ledger

MakeCrowd = Callable[..., Crowd]
WINDOW_AND_BATCH = 800  # what a member of these tests may have in flight, and repeat when it dies


@pytest.fixture
async def make_crowd(kafka_bootstrap: str, tmp_path: Path) -> AsyncIterator[MakeCrowd]:
    """Make crowds whose members end with the test."""
    crowds: list[Crowd] = []

    def make(topics: list[str], mode: str, **more: float) -> Crowd:
        crowds.append(Crowd(kafka_bootstrap, topics, GROUP, tmp_path, mode, **more))  # type: ignore[arg-type]
        return crowds[-1]

    yield make
    for crowd in crowds:
        await crowd.end()


@pytest.mark.parametrize("mode", ["lanes", "batch"])
async def test_members_that_come_and_go_in_order_neither_lose_nor_repeat(
    mode: str, bus: Bus, make_topics: MakeTopics, make_crowd: MakeCrowd
) -> None:
    topics = await make_topics(2)
    crowd, ledger = make_crowd(topics, mode), Ledger(bus, topics)
    first, second = crowd.join(), crowd.join()
    async with ledger.load(per_second=600):
        await crowd.works(first, second)
        third = crowd.join()
        await crowd.works(third)
        await crowd.leave(first)
        await crowd.works(second, third)
        fourth = crowd.join()
        await crowd.leave(second)
        await crowd.works(third, fourth)
        await crowd.leave(third)
        await crowd.works(fourth)
    assert await ledger.settle(crowd) == 0


@pytest.mark.parametrize("mode", ["lanes", "batch"])
async def test_a_killed_member_loses_nothing_and_repeats_at_most_what_it_had_in_flight(
    mode: str, bus: Bus, make_topics: MakeTopics, make_crowd: MakeCrowd
) -> None:
    topics = await make_topics()
    # So much work per record that the member dies with records in hand: a commit ahead of the work would lose them.
    crowd, ledger = make_crowd(topics, mode, work=0.03), Ledger(bus, topics)
    doomed, other = crowd.join(), crowd.join()
    async with ledger.load(per_second=600):
        await crowd.works(doomed, other, effects=100)
        await crowd.leave(doomed, signal.SIGKILL)
        await crowd.works(other)
    assert await ledger.settle(crowd) <= WINDOW_AND_BATCH


async def test_a_member_frozen_for_two_sessions_comes_back_without_loss_or_disorder(
    bus: Bus, make_topics: MakeTopics, make_crowd: MakeCrowd
) -> None:
    topics = await make_topics()
    crowd, ledger = make_crowd(topics, "lanes"), Ledger(bus, topics)
    frozen, other = crowd.join(), crowd.join()
    async with ledger.load(per_second=600):
        await crowd.works(frozen, other)
        crowd.send(frozen, signal.SIGSTOP)
        await asyncio.sleep(2 * crowd.session_timeout_ms / 1000)  # this is the fault itself, not a wait for something
        await crowd.works(other)
        crowd.send(frozen, signal.SIGCONT)
        await crowd.works(frozen, other)
    assert await ledger.settle(crowd) <= WINDOW_AND_BATCH
    await crowd.leave(frozen)
