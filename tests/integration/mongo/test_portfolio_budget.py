"""A portfolio's people of a day, however many senders reserve them at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest

from libs.ledger import budget as store
from libs.ledger.budget import DAY, Budget
from libs.mongo.client import Mongo
from libs.mongo.indexes import IndexBuilder
from libs.runtime.ids import new_id

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
async def senders(mongo_url: str) -> AsyncIterator[list[Budget]]:
    """Four senders, each with a connection of its own."""
    name = f"t-{new_id()[-30:]}"
    async with AsyncExitStack() as stack:
        clients = [Mongo(mongo_url, name) for _ in range(4)]
        for client in clients:
            await client.start()
            stack.push_async_callback(client.stop)
        await IndexBuilder(clients[0], store.INDEXES).start()
        yield [Budget(client) for client in clients]


@pytest.mark.parametrize("limit", [0, 1, 10, 37])
async def test_senders_that_reserve_at_once_get_no_more_than_the_limit_and_all_of_it(
    senders: list[Budget], limit: int
) -> None:
    groups = [[f"p{each}" for each in range(place, place + 3)] for place in range(0, 48, 2)]  # neighbours share one
    answers = await asyncio.gather(*(
        senders[place % len(senders)].reserve("portfolio", group, limit, NOW) for place, group in enumerate(groups)
    ))  # fmt: skip
    reached = set().union(*answers)
    assert len(reached) == limit == await senders[0].used("portfolio", NOW, 1000)
    for group, allowed in zip(groups, answers, strict=True):
        assert allowed <= set(group)


async def test_who_was_reached_today_costs_nothing_more_and_after_a_day_again(senders: list[Budget]) -> None:
    budget, later = senders[0], NOW + timedelta(hours=1)
    assert await budget.reserve("portfolio", ["anna", "ben", "anna", "cleo"], 2, NOW) == {"anna", "ben"}
    assert await budget.reserve("portfolio", ["cleo", "ben"], 2, later) == {"ben"}
    assert await budget.reserve("another", ["cleo"], 2, later) == {"cleo"}
    assert await budget.next_free("portfolio", later) == NOW + DAY
    tomorrow = NOW + DAY + timedelta(seconds=1)
    assert await budget.reserve("portfolio", ["cleo", "anna", "ben"], 2, tomorrow) == {"cleo", "anna"}


async def test_a_limit_that_was_lowered_lets_nobody_new_through_and_raised_again_only_the_rest(
    senders: list[Budget],
) -> None:
    budget = senders[0]
    await budget.reserve("portfolio", ["anna", "ben", "cleo"], 3, NOW)
    assert await budget.reserve("portfolio", ["anna", "dora"], 1, NOW) == {"anna"}
    assert await budget.reserve("portfolio", ["dora", "emil"], 4, NOW) == {"dora"}


async def test_who_is_forgotten_makes_room_although_they_were_counted(senders: list[Budget]) -> None:
    budget = senders[0]
    for hour in range(0, 48, 6):  # two at a time, four times a day
        now, people = NOW + timedelta(hours=hour), [f"p{hour}", f"q{hour}"]
        assert await budget.reserve("portfolio", people, 8, now) == set(people)
        assert await budget.reserve("portfolio", ["one more"], await budget.used("portfolio", now, 100), now) == set()
