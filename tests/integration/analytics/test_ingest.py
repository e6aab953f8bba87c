"""Counting on a real mongod: whatever comes again, in any order, after a crash anywhere, counts once."""

import random
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from libs.events.messages import MessageReceived, Pricing
from libs.events.topics import MESSAGES_INBOUND, MESSAGES_STATUS
from libs.kafka.record import Record
from libs.mongo.client import Mongo, Session
from libs.runtime.clock import SystemClock
from services.analytics import history_store, line_store
from services.analytics.counting import Kind
from services.analytics.line_store import LINES
from services.analytics.sums_store import SumsStore
from tests.support.counting import MADE, Bench, S, feed_with_crashes, lives, log_of, record, status
from tests.support.recount import recount


class Apart(SumsStore):
    """The planted bug: sums are written at once, rows and checkpoint on their own afterwards."""

    def __init__(self, mongo: Mongo) -> None:
        super().__init__(mongo)
        self.mongo = mongo

    async def add(self, session: Session, layer: int, sums: Any) -> None:
        """Write outside of the unit of work."""

        async def alone(its_own: Session) -> None:
            await super(Apart, self).add(its_own, layer, sums)

        await self.mongo.transaction(alone)


@pytest.mark.parametrize("seed", range(3))
async def test_every_status_three_times_in_any_order_with_crashes_counts_once(mongo: Mongo, seed: int) -> None:
    dice = random.Random(seed)
    events = lives(150, dice)
    bench = Bench(mongo, SumsStore(mongo))
    assert await feed_with_crashes(bench, log_of(events), dice) >= 5
    counted = await bench.counted()
    assert {name: count for name, count in counted.items() if ":" not in name} == recount(
        (message_id, to.value) for message_id, to in events
    )
    for kind in Kind:
        for rollup in ("*", "", "country=DE", "template=sale", {"$regex": "^phone_number_id="}):
            assert await bench.counted(kind, rollup) == await bench.recounted(kind)


async def test_a_checkpoint_apart_from_its_counters_would_be_noticed(mongo: Mongo) -> None:
    dice = random.Random(1)
    events = lives(100, dice)
    bench = Bench(mongo, Apart(mongo))
    await feed_with_crashes(bench, log_of(events), dice)
    assert await bench.counted() != await bench.recounted()


async def test_two_owners_of_one_partition_count_it_once(mongo: Mongo) -> None:
    records = log_of(lives(60, random.Random(2)), partitions=1)
    one, other = Bench(mongo, SumsStore(mongo)), Bench(mongo, SumsStore(mongo))
    for place in range(0, len(records), 20):  # the old owner and the new one, each a step behind the other in turn
        await one.ingest.take(records[place : place + 40])
        await other.ingest.take(records[max(place - 20, 0) : place + 20])
    assert await one.counted() == await one.recounted()


async def test_a_charge_is_one_line_and_what_meta_says_later_is_a_further_one(mongo: Mongo) -> None:
    bench = Bench(mongo, SumsStore(mongo))
    utility = Pricing(billable=True, pricing_model="PMP", type="regular", category="utility")
    steps = [status("m", S.SENT, pricing=utility), status("m", S.DELIVERED), status("m", S.READ), status("m", S.READ)]
    for offset, step in enumerate(steps):
        await bench.ingest.take([record(step, offset)])
        await bench.ingest.take([record(step, offset)])
    first, second = await mongo.collection(LINES).find().sort("booked_at", 1).to_list(None)
    assert (first["category"], first["amount"], first["replaces"]) == ("utility", "0.0550", None)
    assert (second["category"], second["amount"], second["replaces"]) == ("marketing", "0.1365", first["_id"])
    assert await bench.counted(Kind.COST) == {
        "messages": 1, "billable": 1, "priced": 1, "millionths": int(Decimal("0.1365") * 1_000_000)
    }  # fmt: skip


async def test_a_billing_conversation_is_charged_once_for_all_its_messages(mongo: Mongo) -> None:
    bench = Bench(mongo, SumsStore(mongo))
    said = {
        "pricing": Pricing(billable=True, pricing_model="CBP", type="regular", category="marketing"),
        "conversation": {"id": "abc", "origin_type": "marketing", "expires_at": MADE},
    }
    records = [record(status(f"m{i}", S.DELIVERED, **said), i) for i in range(3)]
    await bench.ingest.take(records[:2])
    await bench.ingest.take(records)
    counted = await bench.counted(Kind.COST)
    assert counted == {
        "messages": 3, "billable": 3, "conversations": 1, "priced": 1, "millionths": int(Decimal("0.1365") * 1_000_000)
    }  # fmt: skip
    [row] = await mongo.collection(line_store.BILLING).find().to_list(None)
    assert (row["conversation"], row["origin_type"], row["expires_at"]) == ("abc", "marketing", MADE)
    lines = await mongo.collection(LINES).find().to_list(None)
    assert {line["message_id"]: line["amount"] for line in lines} == {"m0": "0.1365", "m1": "0", "m2": "0"}
    assert (row["opened_by"], row["amount"]) == ("m0", "0.1365")
    await bench.rebuild.run()
    assert await bench.counted(Kind.COST) == counted


async def test_what_cannot_be_read_is_rejected_and_the_rest_is_counted(mongo: Mongo) -> None:
    bench = Bench(mongo, SumsStore(mongo))
    broken = record(status("m1", S.SENT), 0)._replace(value=b"{")
    [rejected] = await bench.ingest.take([broken, record(status("m2", S.SENT), 1)])
    assert rejected.record is broken
    assert (await bench.counted())["sent"] == 1


async def test_a_reply_is_what_names_our_message_or_comes_next_within_a_day(mongo: Mongo) -> None:
    bench = Bench(mongo, SumsStore(mongo))
    for offset, message_id in enumerate(("named", "last", "silent")):
        sent = MADE + timedelta(minutes=offset)
        conversation = "quiet" if message_id == "silent" else "talk"
        ours = [status(message_id, to, at=sent, conversation_id=conversation) for to in (S.ACCEPTED, S.DELIVERED)]
        for place, event in enumerate(ours[: 1 if message_id == "named" else 2]):
            await bench.ingest.take([record(event, 2 * offset + place)])

    def wrote(number: int, hours: float, **more: Any) -> Record:
        fields: dict[str, Any] = {
            "message_id": f"in{number}", "wamid": f"in{number}", "phone_number_id": "1", "waba_id": "2",
            "conversation_id": "talk", "contact_id": "p", "sender": "491511234567", "type": "text",
            "at": MADE + timedelta(hours=hours), "window_until": MADE + timedelta(hours=hours + 24),
        }  # fmt: skip
        return record(MessageReceived(**fields | more), number)

    await bench.ingest.take(
        [
            wrote(0, 1, context_wamid="wamid.named"),
            wrote(1, 2),
            wrote(2, 3),
            wrote(3, 30, conversation_id="quiet"),
            wrote(4, 1, conversation_id="quiet", type="system"),
            wrote(5, 1, conversation_id="nobody"),
            wrote(6, 1, conversation_id="floored"),
        ]
    )
    # Made after the person wrote, and accepted by Meta's word: at its whole second, which is earlier.
    later = {"created_at": MADE + timedelta(hours=1, milliseconds=400), "conversation_id": "floored"}
    await bench.ingest.take([record(status("later", S.ACCEPTED, at=MADE + timedelta(minutes=59), **later), 9)])
    await bench.sums.caught_up([(MESSAGES_STATUS, 0), (MESSAGES_INBOUND, 0)], SystemClock().now() + timedelta(hours=1))
    for _ in range(2):
        await bench.replies._round()
    assert (await bench.counted())["replied"] == 2
    rows = {row["_id"]: row.get("reply") async for row in mongo.collection(history_store.INBOUND).find()}
    assert rows == {
        "in0": "named", "in1": "last", "in2": "last", "in3": "none", "in4": None, "in5": "none", "in6": "none"
    }  # fmt: skip
    assert await bench.counted() == await bench.recounted()
