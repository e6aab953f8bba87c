"""Counting anew gives the sums that counting gave, while that goes on."""

import asyncio
import random

import pytest

from libs.events.messages import MessageStatus
from libs.mongo.client import Mongo
from services.analytics import history_store
from services.analytics.counting import Kind
from services.analytics.line_store import LINES
from services.analytics.sums_store import SUMS, SumsStore
from tests.support.counting import Bench, feed_with_crashes, lives, log_of, record, status


@pytest.mark.parametrize("seed", range(3))
async def test_all_is_counted_anew_while_counting_goes_on(mongo: Mongo, seed: int) -> None:
    dice = random.Random(seed)
    records = log_of(lives(200, dice))
    bench = Bench(mongo, SumsStore(mongo))
    half = len(records) // 2
    await feed_with_crashes(bench, records[:half], dice)
    await mongo.collection(SUMS).update_many({}, {"$inc": {"n.sent": 7}})  # what a bug may have left
    await asyncio.gather(bench.rebuild.run(chunk=7), feed_with_crashes(bench, records[half:], dice))
    assert await bench.layers.current() == 2
    for kind in Kind:
        assert await bench.counted(kind) == await bench.recounted(kind)
    assert await mongo.collection(SUMS).count_documents({"layer": 1}) == 0


async def test_counting_anew_goes_on_where_it_died(mongo: Mongo) -> None:
    bench = Bench(mongo, SumsStore(mongo))
    records = log_of(lives(60, random.Random(4)))
    await bench.ingest.take(records)
    layers = await mongo.transaction(bench.rebuild._begin)
    assert layers.next == 2
    await bench.rebuild._count(2, "", 25, None)  # and then the process died
    assert await bench.rebuild.run(chunk=10) == 60 - 25
    assert await bench.counted() == await bench.recounted()


async def test_who_is_forgotten_changes_no_sum_and_counting_anew_gives_the_same(mongo: Mongo) -> None:
    bench = Bench(mongo, SumsStore(mongo))
    events = lives(40, random.Random(6))
    log = log_of(events)
    await bench.ingest.take(log)
    before = {kind: await bench.counted(kind) for kind in Kind}
    assert before[Kind.COST], "something was charged"
    ids, ends = {message_id for message_id, _ in events}, [each.offset for each in log]
    nobody = [
        record(status(message_id, MessageStatus.DELIVERED, wamid=None, forgotten=True), max(ends) + 1 + place)
        for place, message_id in enumerate(sorted(ids))
    ]
    for _ in range(2):
        await bench.ingest.take(nobody)
    assert {kind: await bench.counted(kind) for kind in Kind} == before
    for name in (history_store.HISTORY, LINES):
        rows = await mongo.collection(name).find().to_list(None)
        assert rows, name
        assert "wamid." not in repr(rows), name
    await bench.rebuild.run(chunk=7)
    assert {kind: await bench.counted(kind) for kind in Kind} == before
