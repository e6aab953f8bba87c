"""What the client asks of the server with every write, read off the wire: a majority of members, and their journals."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo import InsertOne, UpdateOne, monitoring

from libs.mongo.client import Mongo, Session
from libs.runtime.ids import new_id

SAFE = {"w": "majority", "j": True}
WRITES = {"insert", "update", "delete", "findAndModify", "commitTransaction"}


class _Wire(monitoring.CommandListener):
    """Keeps the write concern of every write that goes out; one for the process, for they cannot be taken off again."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Look at a command."""
        if event.command_name in WRITES:
            self.asked.append((event.command_name, event.command.get("writeConcern")))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Say nothing."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Say nothing."""


WIRE = _Wire()
monitoring.register(WIRE)


@pytest.fixture(params=["", "&w=1&journal=false"], ids=["plain", "a weak url"])
async def mongo(mongo_url: str, request: pytest.FixtureRequest) -> AsyncIterator[Mongo]:
    """A client as every service has it, also where the connection string of a deployment asks for less."""
    opened = Mongo(mongo_url + request.param, f"t-{new_id()[-30:]}")
    await opened.start()
    WIRE.asked.clear()
    yield opened
    await opened.stop()


async def test_every_way_to_write_waits_for_the_majority_and_the_journal(mongo: Mongo) -> None:
    rows = mongo.collection("rows")
    await rows.insert_one({"_id": 1})
    await rows.insert_many([{"_id": 2}, {"_id": 3}], ordered=False)
    await rows.update_one({"_id": 1}, {"$set": {"a": 1}}, upsert=True)
    await rows.update_many({}, {"$set": {"b": 1}})
    await rows.replace_one({"_id": 2}, {"c": 1})
    await rows.find_one_and_update({"_id": 1}, {"$inc": {"a": 1}})
    await rows.find_one_and_delete({"_id": 3})
    await rows.bulk_write([InsertOne({"_id": 4}), UpdateOne({"_id": 4}, {"$set": {"d": 1}})], ordered=False)
    await rows.delete_one({"_id": 4})
    await rows.delete_many({"_id": 2})
    assert {name for name, _ in WIRE.asked} == WRITES - {"commitTransaction"}
    assert [ask for ask in WIRE.asked if ask[1] != SAFE] == []


async def test_a_transaction_is_committed_to_the_majority_and_the_journal(mongo: Mongo) -> None:
    async def work(session: Session) -> None:
        await mongo.collection("rows").insert_one({"_id": 1}, session=session)
        await mongo.collection("rows").update_one({"_id": 1}, {"$set": {"a": 1}}, session=session)

    await mongo.transaction(work)
    assert [ask for ask in WIRE.asked if ask[0] == "commitTransaction"] == [("commitTransaction", SAFE)]
    assert [concern for name, concern in WIRE.asked if name != "commitTransaction"] == [None, None]


async def test_only_what_may_be_lost_and_done_again_is_hasty(mongo: Mongo) -> None:
    await mongo.hasty("rows").update_one({"_id": 1}, {"$set": {"a": 1}}, upsert=True)
    assert WIRE.asked == [("update", {"w": 1, "j": False})]
