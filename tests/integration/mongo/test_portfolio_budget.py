"""A portfolio's people of a day, however many senders reserve them at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from libs.directory.entries import AccountEntry
from libs.ledger import budget as store
from libs.ledger.budget import COUNTED, DAY, Budget
from libs.mongo.client import Mongo
from libs.mongo.indexes import IndexBuilder
from libs.runtime.ids import new_id
from services.sender.budget import LATER, BudgetDesk

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
async def clients(mongo_url: str) -> AsyncIterator[list[Mongo]]:
    name = f"t-{new_id()[-30:]}"
    async with AsyncExitStack() as stack:
        made = [Mongo(mongo_url, name) for _ in range(4)]
        for client in made:
            await client.start()
            stack.push_async_callback(client.stop)
        await IndexBuilder(made[0], store.INDEXES).start()
        yield made


@pytest.fixture
def mongo(clients: list[Mongo]) -> Mongo:
    return clients[0]


@pytest.fixture
def senders(clients: list[Mongo]) -> list[Budget]:
    """Four senders, each with a connection of its own."""
    return [Budget(client) for client in clients]


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
    assert await budget.next_free("portfolio", later) == NOW + COUNTED
    tomorrow = NOW + COUNTED
    assert await budget.reserve("portfolio", ["cleo", "anna", "ben"], 2, tomorrow) == {"cleo", "ben"}


async def test_a_limit_that_was_lowered_lets_nobody_new_through_and_raised_again_only_the_rest(
    senders: list[Budget],
) -> None:
    budget = senders[0]
    await budget.reserve("portfolio", ["anna", "ben", "cleo"], 3, NOW)
    assert await budget.reserve("portfolio", ["anna", "dora"], 1, NOW) == {"anna"}
    assert await budget.reserve("portfolio", ["dora", "emil"], 4, NOW) == {"dora"}


async def test_who_is_forgotten_makes_room_although_they_were_counted(senders: list[Budget]) -> None:
    budget = senders[0]
    for turn in range(8):  # two at a time, four times a day
        now, people = NOW + turn * COUNTED / 4, [f"p{turn}", f"q{turn}"]
        assert await budget.reserve("portfolio", people, 8, now) == set(people)
        assert await budget.reserve("portfolio", ["one more"], await budget.used("portfolio", now, 100), now) == set()


async def test_what_a_sender_reserved_that_died_is_entered_by_the_next(senders: list[Budget], mongo: Mongo) -> None:
    """It took its turn, and did not get to enter its people."""
    turn = {"_id": "portfolio", "turn": 1, "people": ["anna", "ben"], "at": NOW, "used": 2}
    await mongo.collection(store.TURNS).insert_one(turn)
    assert await senders[0].reserve("portfolio", ["cleo", "anna"], 3, NOW) == {"cleo", "anna"}
    assert await senders[1].reserve("portfolio", ["dora", "ben"], 3, NOW) == {"ben"}
    assert await senders[0].used("portfolio", NOW, 100) == 3
    assert await senders[0].reserve("portfolio", ["dora"], 3, NOW + COUNTED) == {"dora"}


async def test_who_was_written_in_without_a_turn_is_counted_a_minute_later(senders: list[Budget], mongo: Mongo) -> None:
    """As senders of an earlier version do, while they run beside."""
    await senders[0].reserve("portfolio", ["anna"], 3, NOW)
    await mongo.collection(store.USERS).insert_one({"_id": "portfolio:ben", "portfolio_id": "portfolio", "at": NOW})
    later = NOW + store.COUNT_EVERY
    assert await senders[1].reserve("portfolio", ["cleo", "dora"], 3, later) == {"cleo"}


async def test_what_a_dead_sender_reserved_a_day_ago_is_counted_for_those_whose_clock_is_behind(
    senders: list[Budget], mongo: Mongo
) -> None:
    turn = {"_id": "portfolio", "turn": 1, "people": ["anna", "ben"], "at": NOW, "used": 2}
    await mongo.collection(store.TURNS).insert_one(turn)
    moment = timedelta(milliseconds=2)
    assert await senders[0].reserve("portfolio", ["cleo", "dora"], 2, NOW + DAY + moment) == set()
    assert await senders[1].reserve("portfolio", ["anna", "ben"], 2, NOW + DAY - moment) == {"anna", "ben"}


async def test_who_is_written_to_again_counts_for_a_day_from_then(senders: list[Budget]) -> None:
    budget, almost = senders[0], NOW + DAY - timedelta(minutes=10)
    assert await budget.reserve("portfolio", ["anna"], 1, NOW) == {"anna"}
    assert await budget.reserve("portfolio", ["anna"], 1, almost) == {"anna"}
    assert await budget.reserve("portfolio", ["ben"], 1, NOW + COUNTED) == set()
    assert await budget.reserve("portfolio", ["ben"], 1, almost + COUNTED) == {"ben"}


@dataclass(frozen=True)
class Asked:
    """A template to somebody outside of a window."""

    record: dict[str, Any]
    account: AccountEntry


def asked(who: str, limit: int) -> Asked:
    record = {"_id": f"to-{who}", "tenant": "t", "recipient": who, "contact_id": who, "template": {"name": "hi"}}
    account = AccountEntry("t", "waba", "active", SecretStr(""), None, "portfolio", limit, False, True, None)
    return Asked(record, account)


async def test_who_does_not_fit_goes_when_the_first_place_is_free(senders: list[Budget]) -> None:
    desk, later = BudgetDesk(senders[0]), NOW + timedelta(hours=1)
    assert await desk.check([asked("anna", 1)], {}, NOW) == {}
    found = await desk.check([asked("ben", 1), asked("anna", 1), asked("cleo", 1)], {}, later)
    assert found == {"to-ben": later + COUNTED, "to-cleo": later + COUNTED}, "anna was written to again"


async def test_where_nobody_may_be_reached_it_is_tried_again_in_a_minute(senders: list[Budget]) -> None:
    assert await BudgetDesk(senders[0]).check([asked("anna", 0)], {}, NOW) == {"to-anna": NOW + LATER}
