"""Turns and budgets on a real mongod: nothing twice, nothing lost, no cap passed together."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.mongo.client import Mongo
from libs.mongo.indexes import IndexBuilder
from libs.runtime.ids import new_id
from services.autoreply import spending_store, turn_store
from services.autoreply.spending_store import SpendingStore
from services.autoreply.turn_store import TURNS, TurnStore

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
LEASE, WAIT = timedelta(seconds=15), timedelta(seconds=2)
TURN = {"_id": "c", "tenant": "t", "bot_id": "b", "phone_number_id": "1", "contact_id": "p", "to": "+1",
        "profile_name": "$name"}  # fmt: skip
BOT = {"_id": "b", "tenant": "t"}


@pytest.fixture
async def mongo(mongo_url: str) -> AsyncIterator[Mongo]:
    opened = Mongo(mongo_url, f"t-{new_id()[-30:]}")
    await opened.start()
    await IndexBuilder(opened, turn_store.INDEXES, spending_store.INDEXES).start()
    yield opened
    await opened.stop()


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


async def test_a_burst_is_due_after_its_silence_and_at_the_latest_after_five_of_them(mongo: Mongo) -> None:
    turns = TurnStore(mongo, "me", LEASE)
    for place in range(12):
        await turns.add(TURN, f"m{place}", later(place), WAIT)
        await turns.add(TURN, f"m{place}", later(place), WAIT)
    assert await turns.claim(later(9.9), ()) is None
    claimed = await turns.claim(later(10), ())
    assert claimed is not None
    assert claimed["messages"] == [f"m{place}" for place in range(12)]
    assert claimed["profile_name"] == "$name"


async def test_a_turn_is_one_persons_until_its_lease_ends(mongo: Mongo) -> None:
    one, other = TurnStore(mongo, "one", LEASE), TurnStore(mongo, "other", LEASE)
    await one.add(TURN, "m", NOW, timedelta(0))
    claims = await asyncio.gather(*(store.claim(NOW, ()) for store in (one, other, one, other)))
    assert sum(claim is not None for claim in claims) == 1
    holder = one if claims[0] or claims[2] else other
    await holder.renew(["c"], later(10))
    assert await other.claim(later(20), ()) is None
    assert await other.claim(later(26), ["b"]) is None
    assert await other.claim(later(26), (), ["t"]) is None
    assert await other.claim(later(26), ()) is not None


async def test_what_comes_while_it_is_thought_about_is_left_for_the_next_turn(mongo: Mongo) -> None:
    turns = TurnStore(mongo, "me", LEASE)
    await turns.add(TURN, "m", NOW, timedelta(0))
    claimed: Any = await turns.claim(NOW, ())
    await turns.add(TURN, "n", later(1), WAIT)
    said = [{"_id": "a", "type": "text", "text": "$hello"}]
    await turns.end(claimed, said, later(2))
    following: Any = await turns.claim(later(2), ())
    assert (following["messages"], following["said"]) == (["n"], said)
    await turns.end(following, [], later(3))
    assert await mongo.collection(TURNS).count_documents({}) == 0


async def test_no_two_pass_a_cap_together(mongo: Mongo) -> None:
    spending = SpendingStore(mongo)
    took = await asyncio.gather(*(
        spending.reserve(BOT, NOW, {"tokens": 30, "millionths": 5}, {"tokens": 100}) for _ in range(10)
    ))  # fmt: skip
    assert sum(took) == 3
    await spending.settle(BOT, NOW, {"tokens": -25, "millionths": 1})
    assert await spending.spent(BOT, NOW) == {"tokens": 65, "millionths": 16}
    assert await spending.reserve(BOT, NOW, {"tokens": 30, "millionths": 5}, {"tokens": 100, "millionths": 21})
    assert not await spending.reserve(BOT, NOW, {"tokens": 1, "millionths": 1}, {"millionths": 21})
    assert not await spending.reserve(BOT, later(86_400), {"tokens": 101}, {"tokens": 100})
    assert await spending.reserve(BOT, later(86_400), {"tokens": 100}, {"tokens": 100})
