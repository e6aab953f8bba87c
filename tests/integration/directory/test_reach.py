"""What a key reaches, read from a real MongoDB: fresh, and without reading what is out of reach."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.directory.directory import ACCOUNTS, BOTS, NUMBERS, Directory
from libs.directory.reach import ALL_ACCOUNTS, EVERYTHING, TEST, Reach
from libs.ledger import contacts, record
from libs.ledger.contact_book import ContactBook
from libs.ledger.contacts import CONTACTS, alias, contact_id_of, conversation_id_of
from libs.ledger.conversations import ConversationReader
from libs.ledger.reader import MOST_SCAN, MessageFilter, MessageReader
from libs.ledger.record import MESSAGES
from libs.mongo.client import Mongo, TookTooLong, outages
from libs.mongo.indexes import IndexBuilder
from libs.runtime.clock import SystemClock
from libs.runtime.ids import new_id
from services.autoreply.bot_store import BotStore
from services.edge import account_store
from services.edge.audit_store import AuditStore, Seen, Wanted
from services.edge.errors import NoSuchNumber
from services.edge.met_people import MetPeople
from services.edge.numbers import sendable

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
T = "tenant"
OTHERS = 400  # messages of the live number


@pytest.fixture
async def mongo(mongo_url: str) -> AsyncIterator[Mongo]:
    opened = Mongo(mongo_url, f"t-{new_id()[-30:]}")
    await opened.start()
    await IndexBuilder(opened, record.INDEXES, contacts.INDEXES, account_store.INDEXES).start()
    yield opened
    await opened.stop()


async def connect(mongo: Mongo, waba_id: str, number: str, *, sandbox: bool, **more: Any) -> None:
    row = {"_id": new_id(), "tenant": T, "waba_id": waba_id, "owned": True, "status": "active", "sandbox": sandbox}
    await mongo.collection(ACCOUNTS).insert_one(row)
    number_row = {"_id": number, "tenant": T, "waba_id": waba_id, "status": "connected"}
    await mongo.collection(NUMBERS).insert_one(number_row | more)


async def meet(mongo: Mongo, number: str, names: list[str]) -> None:
    """Have people write to a number, one message each."""
    ids = {name: contact_id_of(T, name) for name in names}
    await mongo.collection(CONTACTS).insert_many([
        {"_id": contact_id, "tenant": T, "aliases": [alias(T, name)], "created_at": NOW + timedelta(seconds=place)}
        for place, (name, contact_id) in enumerate(ids.items())
    ])  # fmt: skip
    await mongo.collection(MESSAGES).insert_many([
        {"_id": new_id(), "tenant": T, "phone_number_id": number, "contact_id": contact_id, "direction": "inbound",
         "conversation_id": conversation_id_of(contact_id, number), "created_at": NOW}
        for contact_id in ids.values()
    ])  # fmt: skip


async def profiled(mongo: Mongo, on: bool) -> list[dict[str, Any]]:
    """Begin to write down what MongoDB does, or end it; -> what it did."""
    database = mongo.collection(MESSAGES).database
    await database.command({"profile": 2 if on else 0})
    done = database["system.profile"].find(
        {"ns": {"$not": {"$regex": "system.profile$"}}, "op": {"$in": ["query", "command"]}}
    )
    return [row for row in await done.to_list(None) if "planSummary" in row]


async def test_an_account_is_reached_as_soon_as_it_is_connected(mongo: Mongo) -> None:
    directory = Directory(mongo, None, SystemClock())
    assert await directory.reach(T, TEST) == Reach(frozenset(), frozenset())
    await connect(mongo, "1", "11", sandbox=True)
    assert await directory.reach(T, TEST) is ALL_ACCOUNTS
    await connect(mongo, "2", "22", sandbox=False)
    assert await directory.reach(T, TEST) == Reach(frozenset({"1"}), frozenset({"11"}), others=True)
    assert await directory.reach(T, "live") is EVERYTHING
    gone = {"$set": {"status": "disconnected"}, "$unset": {"owned": ""}}
    await mongo.collection(ACCOUNTS).update_one({"waba_id": "2"}, gone)
    assert (await directory.reach(T, TEST)).others, "what it sent and got is there"


async def test_what_was_connected_both_ways_is_neither_seen_by_a_test_key_nor_sent_from(mongo: Mongo) -> None:
    await connect(mongo, "1", "11", sandbox=False)
    gone = {"$set": {"status": "disconnected"}, "$unset": {"owned": ""}}
    await mongo.collection(ACCOUNTS).update_one({"waba_id": "1"}, gone)
    await mongo.collection(NUMBERS).delete_one({"_id": "11"})
    await connect(mongo, "1", "11", sandbox=True)
    await connect(mongo, "2", "22", sandbox=True)
    directory = Directory(mongo, None, SystemClock())
    reach = await directory.reach(T, TEST)
    assert [reach.has_number(each) for each in ("11", "22")] == [False, True]
    with pytest.raises(NoSuchNumber):
        await sendable(directory, T, TEST, "11")
    for mode, number in (("live", "11"), ("live", "22"), (TEST, "22")):
        assert (await sendable(directory, T, mode, number))[0].phone_number_id == number


async def test_a_bot_is_reached_that_a_test_key_made_and_no_live_number_has(mongo: Mongo) -> None:
    directory = Directory(mongo, None, SystemClock())
    rows = {"mine": "test", "linked": "test", "kept": "test", "theirs": "live", "old": None}
    await mongo.collection(BOTS).insert_many(
        [{"_id": name, "tenant": T, "slot": place} | ({"mode": mode} if mode else {})
         for place, (name, mode) in enumerate(rows.items())]
    )  # fmt: skip

    async def reached() -> list[str]:
        reach = await directory.reach(T, TEST)
        return [name for name in rows if await directory.knows_bot(T, name, reach)]

    assert await reached() == ["mine", "linked", "kept"], "before the first account"
    await connect(mongo, "1", "11", sandbox=True, bot_id="mine")
    assert await reached() == ["mine", "linked", "kept"], "a live account may come, and what live keys made is for it"
    await connect(mongo, "2", "22", sandbox=False, bot_id="linked")
    await connect(mongo, "3", "33", sandbox=False, bot_id="kept", status="disconnected")
    assert await reached() == ["mine"]
    reach = await directory.reach(T, TEST)
    assert [name for name in rows if await directory.knows_bot(T, name, EVERYTHING)] == list(rows)
    among = await directory.bots_reached(T, reach)
    assert [row["_id"] for row in await BotStore(mongo).page(T, 10, None, among)] == ["mine"]


async def test_what_is_out_of_reach_is_not_even_read(mongo: Mongo) -> None:
    await connect(mongo, "1", "11", sandbox=True)
    await connect(mongo, "2", "22", sandbox=False)
    await meet(mongo, "22", [f"+1555{place:07d}" for place in range(OTHERS)])
    await meet(mongo, "11", ["+15560000001", "+15560000002"])
    directory, reader = Directory(mongo, None, SystemClock()), ConversationReader(mongo)
    met = MetPeople(ContactBook(mongo), reader)
    await profiled(mongo, on=True)
    reach = await directory.reach(T, TEST)
    seen = [row["aliases"] for row in await met.page(T, 20, None, reach)]
    known = [await met.named(T, name, reach) is not None for name in ("+15560000001", "+15550000001")]
    numbers = await directory.numbers_reached(T, reach)
    messages = await MessageReader(mongo).page(T, MessageFilter(numbers, reach=reach), 20, None)
    theirs = [conversation_id_of(contact_id_of(T, "+15550000001"), "22")]
    others = await MessageReader(mongo).page(T, MessageFilter(numbers, conversations=theirs, reach=reach), 20, None)
    done = await profiled(mongo, on=False)
    assert seen == [[alias(T, "+15560000002")], [alias(T, "+15560000001")]]
    assert known == [True, False]
    assert {row["phone_number_id"] for row in messages} == {"11"}
    assert others == []
    assert len(done) >= 8
    for row in done:
        assert "COLLSCAN" not in row["planSummary"], row["command"]
        assert row["docsExamined"] < 10, row["command"]


async def test_what_may_read_much_for_little_ends_by_itself(mongo: Mongo) -> None:
    await meet(mongo, "11", ["+15560000001", "+15560000002"])
    await profiled(mongo, on=True)
    assert len(await ConversationReader(mongo).people(T, ["11"], 1)) == 1
    await AuditStore(mongo).page(Wanted(T, seen=Seen(["key"], [T, "1"])), 20, None)
    limits = [row["command"].get("maxTimeMS") for row in await profiled(mongo, on=False)]
    assert limits == [MOST_SCAN, MOST_SCAN]


async def test_a_query_that_ran_out_of_its_time_is_told_from_a_server_that_is_away(mongo: Mongo) -> None:
    await mongo.collection(MESSAGES).insert_one({"_id": "1"})
    with pytest.raises(TookTooLong), outages():
        await mongo.collection(MESSAGES).find({"$where": "sleep(1000) || true"}).max_time_ms(1).to_list(None)
