"""The numbered steps on a real mongod: once each, in order, whoever dies or comes at the same time."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo import ASCENDING, IndexModel

from deploy.migrations.indexes import STORES, declared
from deploy.migrations.steps import STEPS
from libs.directory.directory import ACCOUNTS, NUMBERS
from libs.directory.vault import Vault
from libs.mongo.client import Mongo
from libs.mongo.indexes import IndexBuilder
from libs.mongo.migrations import LeaseLost, Migrations, OtherStep, Step
from libs.runtime.clock import SystemClock
from libs.runtime.ids import new_id
from services.edge.account_store import AccountStore

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.fixture
async def mongo(mongo_url: str) -> AsyncIterator[Mongo]:
    opened = Mongo(mongo_url, f"t-{new_id()[-30:]}")
    await opened.start()
    yield opened
    await opened.stop()


class Steps:
    """Steps that note that they were run; the one that is told to fails."""

    def __init__(self, count: int) -> None:
        self.ran: list[int] = []
        self.fails: int | None = None
        self.steps = [Step(number, f"step_{number}", "to be seen", self._of(number)) for number in range(1, count + 1)]

    def _of(self, number: int) -> Any:
        async def run(_: Mongo) -> int:
            self.ran.append(number)
            await asyncio.sleep(0.05)
            if self.fails == number:
                raise ZeroDivisionError
            return number

        return run


def migrations(mongo: Mongo, steps: Sequence[Step]) -> Migrations:
    return Migrations(mongo, steps, SystemClock())


async def test_each_step_is_run_once_and_in_order_however_many_come_at_the_same_time(mongo: Mongo) -> None:
    steps = Steps(3)
    done = await asyncio.gather(*(migrations(mongo, steps.steps).apply(lambda _: None) for _ in range(3)))
    assert (steps.ran, sum(done)) == ([1, 2, 3], 3)
    assert await migrations(mongo, steps.steps).apply(lambda _: None) == 0
    rows = await mongo.collection("migrations").find().sort("_id").to_list(None)
    assert [(row["_id"], row["name"], row["changed"]) for row in rows] == [
        (1, "step_1", 1), (2, "step_2", 2), (3, "step_3", 3),
    ]  # fmt: skip


async def test_a_step_that_died_is_run_again_and_none_behind_it_before(mongo: Mongo) -> None:
    steps = Steps(3)
    steps.fails = 2
    with pytest.raises(ZeroDivisionError):
        await migrations(mongo, steps.steps).apply(lambda _: None)
    steps.fails = None
    assert await migrations(mongo, steps.steps).apply(lambda _: None) == 2
    assert steps.ran == [1, 2, 2, 3]


async def test_a_step_is_broken_off_when_another_runner_may_have_begun(mongo: Mongo) -> None:
    broken_off = asyncio.Event()

    async def endless(_: Mongo) -> int:
        await mongo.collection("leases").update_one({"_id": "migrations"}, {"$set": {"owner": "somebody else"}})
        try:
            await asyncio.Event().wait()
        finally:
            broken_off.set()
        return 0

    steps = [Step(1, "endless", "to be broken off", endless)]
    with pytest.raises(LeaseLost, match="step 1 endless"):
        await Migrations(mongo, steps, SystemClock(), renew_every=0.05).apply(lambda _: None)
    assert broken_off.is_set()
    assert [step.number for step in await migrations(mongo, steps).pending()] == [1]


async def test_the_version_before_leaves_later_steps_alone_and_other_code_is_told_apart(mongo: Mongo) -> None:
    steps = Steps(3)
    await migrations(mongo, steps.steps).apply(lambda _: None)
    assert await migrations(mongo, steps.steps[:2]).pending() == []
    with pytest.raises(OtherStep, match="step 2 of this database is step_2, not renamed"):
        await migrations(mongo, [Step(2, "renamed", "", steps.steps[1].run)]).pending()


async def test_our_steps_are_numbered_without_a_gap_and_may_be_run_twice(mongo: Mongo) -> None:
    assert [step.number for step in STEPS] == list(range(1, len(STEPS) + 1))
    assert await migrations(mongo, STEPS).apply(lambda _: None) == len(STEPS)
    for step in STEPS:
        await step.run(mongo)


async def test_every_index_of_every_store_is_made_before_the_services_start(mongo: Mongo) -> None:
    await migrations(mongo, STEPS).apply(lambda _: None)
    for collection, models in declared().items():
        have = set(await mongo.collection(collection).index_information())
        assert {model.document["name"] for model in models} <= have
    assert len(set(STORES)) == len(STORES)


async def test_an_old_webhook_that_is_read_again_does_not_undo_what_was_known_before_the_upgrade(mongo: Mongo) -> None:
    row = {"waba_id": "1", "tenant": "t", "owned": True, "status": "active", "stop_reason": None, "updated_at": NOON}
    await mongo.collection(ACCOUNTS).insert_one(dict(row))
    number = {"_id": "2", "tenant": "t", "waba_id": "1", "status": "active", "quality_rating": "GREEN"}
    await mongo.collection(NUMBERS).insert_one(number | {"updated_at": NOON})
    await migrations(mongo, STEPS).apply(lambda _: None)
    store, stopped = AccountStore(mongo, Vault("k:" + "A" * 43 + "=")), {"status": "stopped", "stop_reason": "banned"}
    early, late = NOON - timedelta(days=1), NOON + timedelta(seconds=1)
    assert await store.hear_account("1", stopped, early, late) is None
    assert await store.hear_number({"_id": "2"}, {"quality_rating": "RED"}, early, late) is None
    assert (await store.hear_account("1", stopped, late, late) or {})["status"] == "stopped"
    assert (await store.hear_number({"_id": "2"}, {"quality_rating": "RED"}, late, late) or {})[
        "quality_rating"
    ] == "RED"


async def test_what_was_said_of_a_number_before_it_was_connected_anew_is_left_alone(mongo: Mongo) -> None:
    store, red = AccountStore(mongo, Vault("k:" + "A" * 43 + "=")), {"quality_rating": "RED"}
    number = {"_id": "3", "status": "active", "quality_rating": "GREEN"}
    await store.take_number("t", "1", number, NOON)
    assert await store.hear_number({"_id": "3"}, red, NOON - timedelta(seconds=2), NOON) is None
    assert (await store.hear_number({"_id": "3"}, red, NOON, NOON) or {})["quality_rating"] == "RED"


async def test_how_long_rows_are_kept_may_be_changed(mongo: Mongo) -> None:
    for days in (90, 30):
        kept = IndexModel([("at", ASCENDING)], name="forget", expireAfterSeconds=days * 86_400)
        await IndexBuilder(mongo, {"rows": [IndexModel([("name", ASCENDING)], name="name"), kept]}).start()
    assert (await mongo.collection("rows").index_information())["forget"]["expireAfterSeconds"] == 30 * 86_400
