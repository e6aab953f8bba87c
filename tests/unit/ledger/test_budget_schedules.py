"""A portfolio's limit under random interleavings: senders that die, and replies that are lost, at every step."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pymongo.errors import AutoReconnect, DuplicateKeyError

from libs.ledger.budget import DAY, USERS, Budget
from libs.mongo.client import Mongo
from libs.runtime.errors import Outage

BEGAN = datetime(2026, 11, 23, 12, tzinfo=UTC)
PEOPLE = [f"p{number}" for number in range(25)]


class Killed(BaseException):
    """What a killed process does: nothing any more."""


@dataclass
class Database:
    """The two collections of a budget; every call is one step of its own, and each person's entry another."""

    dice: Random
    trouble: float  # the share of steps at which the caller dies, and of replies that are lost
    turns: dict[str, dict[str, Any]] = field(default_factory=dict)
    users: dict[str, datetime] = field(default_factory=dict)

    def collection(self, name: str) -> Any:
        return _Users(self) if name == USERS else _Turns(self)

    async def before(self) -> None:
        for _ in range(self.dice.randrange(4)):
            await asyncio.sleep(0)
        if self.dice.random() < self.trouble:
            raise Killed

    async def after(self) -> None:
        await self.before()
        if self.dice.random() < self.trouble:
            raise AutoReconnect("the reply is lost")


@dataclass
class _Turns:
    database: Database

    async def find_one(self, query: Mapping[str, Any]) -> dict[str, Any] | None:
        await self.database.before()
        found = self.database.turns.get(query["_id"])
        found = found and dict(found)
        await self.database.after()
        return found

    async def update_one(self, query: Mapping[str, Any], change: Mapping[str, Any], upsert: bool) -> None:
        assert upsert
        await self.database.before()
        there = self.database.turns.get(query["_id"])
        if there is not None and there["turn"] != query["turn"]:
            raise DuplicateKeyError("there is one with this _id")
        self.database.turns[query["_id"]] = {**query, **change["$set"]}
        await self.database.after()


@dataclass
class _Users:
    database: Database

    def find(self, query: Mapping[str, Any], _: object) -> SimpleNamespace:
        async def to_list(_: None) -> list[dict[str, Any]]:
            await self.database.before()
            users, since = self.database.users, query["at"]["$gt"]
            found = [{"_id": each} for each in query["_id"]["$in"] if each in users and users[each] > since]
            await self.database.after()
            return found

        return SimpleNamespace(to_list=to_list)

    async def bulk_write(self, updates: Iterable[Any], ordered: bool) -> None:
        assert not ordered
        shuffled = list(updates)
        self.database.dice.shuffle(shuffled)
        for update in shuffled:
            await self.database.before()
            who, at = update._filter["_id"], update._doc["$max"]["at"]
            self.database.users[who] = max(at, self.database.users.get(who, at))
        await self.database.after()

    async def count_documents(self, query: Mapping[str, Any], limit: int) -> int:
        await self.database.before()
        count = sum(1 for at in self.database.users.values() if at > query["at"]["$gt"])
        await self.database.after()
        return min(count, limit)


@dataclass
class Play:
    """Senders of one portfolio, their clocks up to 50 ms apart; `written` says when each person was written to last."""

    dice: Random
    limit: int
    database: Database
    clock: datetime = BEGAN
    written: dict[str, datetime] = field(default_factory=dict)
    most: int = 0

    async def act(self) -> None:
        for _ in range(self.dice.randrange(1, 5)):
            await asyncio.gather(*(self.sender() for _ in range(self.dice.randrange(2, 6))))
            self.clock += timedelta(hours=self.dice.randrange(14))

    async def sender(self) -> None:
        budget = Budget(cast(Mongo, self.database))
        try:
            for _ in range(self.dice.randrange(2, 9)):
                await self.message(budget, self.dice.sample(PEOPLE, self.dice.randrange(1, 5)))
        except Killed:
            return

    async def message(self, budget: Budget, people: list[str]) -> None:
        while True:
            now = self.clock + timedelta(milliseconds=self.dice.randrange(50))
            try:
                allowed = await budget.reserve("portfolio", people, self.limit, now)
            except Outage:
                continue
            self.written |= dict.fromkeys(allowed, now)
            self.most = max(self.most, sum(1 for at in self.written.values() if at > now - DAY))
            return


@pytest.mark.parametrize("trouble", [0.0, 0.02, 0.08])
def test_however_senders_interleave_die_and_lose_replies_nobody_past_the_limit_is_written_to(trouble: float) -> None:
    full = 0
    for seed in range(100):
        dice = Random(seed)
        play = Play(dice, dice.randrange(1, 12), Database(dice, trouble))
        asyncio.run(play.act())
        assert play.most <= play.limit, f"seed {seed}: {play.most} people, {play.limit} allowed"
        full += play.most == play.limit
    assert full > 30, "most plays come to their limit"
