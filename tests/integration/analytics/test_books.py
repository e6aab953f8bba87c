"""What is booked stays booked until a further line says otherwise, and sums are those of the lines that stand."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from libs.events.messages import BillingConversation, MessageError, Pricing
from libs.mongo.client import Mongo, Session
from libs.pricing.rate_card import RateCard, card_at
from services.analytics import history_store
from services.analytics.counting import Kind
from services.analytics.layer_store import Overtaken
from services.analytics.line_store import BILLING, LINES
from services.analytics.rebuilding import FewerCounted
from services.analytics.sums_store import SUMS, SumsStore
from tests.support.counting import KEPT, MADE, Bench, S, lives, log_of, record, status

MARKETING, UTILITY, FREE = (
    Pricing(billable=True, pricing_model="PMP", type="regular", category="marketing"),
    Pricing(billable=True, pricing_model="PMP", type="regular", category="utility"),
    Pricing(billable=False, pricing_model="PMP", type="free_customer_service", category="utility"),
)
ALWAYS = datetime(2000, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC)


@pytest.fixture
def bench(mongo: Mongo) -> Bench:
    return Bench(mongo, SumsStore(mongo))


async def said(bench: Bench, *steps: Any, begin: int = 0) -> None:
    """Hand over statuses one after the other."""
    for offset, step in enumerate(steps, begin):
        await bench.ingest.take([record(step, offset)])


async def standing(bench: Bench) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = await bench.mongo.collection(LINES).find({"replaced_by": None}).to_list(None)
    return lines


async def adds_up(bench: Bench) -> None:
    """Check that costs are the lines that stand, and that counting anew gives the same sums."""
    spent = sum(int(Decimal(line["amount"] or 0) * 1_000_000) for line in await standing(bench))
    assert (await bench.counted(Kind.COST))["millionths"] == spent
    before = {kind: await bench.counted(kind) for kind in Kind}
    for kind in Kind:
        assert before[kind] == await bench.recounted(kind)
    await bench.rebuild.run(chunk=3)
    assert {kind: await bench.counted(kind) for kind in Kind} == before


def cheaper() -> RateCard:
    """A card with half of every price."""
    card = card_at(MADE)
    halves = {
        name: market.model_copy(update={"marketing": (market.marketing or Decimal(0)) / 2})
        for name, market in card.markets.items()
    }
    return card.model_copy(update={"version": "late", "markets": halves})


async def test_a_card_that_comes_late_changes_no_sum_until_messages_are_priced_anew(bench: Bench) -> None:
    await said(bench, status("m", S.DELIVERED, pricing=MARKETING), status("n", S.DELIVERED, pricing=MARKETING))
    before = await bench.counted(Kind.COST)
    bench.card = cheaper()
    await said(bench, status("m", S.READ, pricing=MARKETING), begin=2)
    assert await bench.counted(Kind.COST) == before
    await adds_up(bench)
    await said(bench, status("n", S.READ, pricing=UTILITY), begin=3)  # a further word, at today's card
    assert sorted(line["amount"] for line in await standing(bench)) == ["0.0550", "0.1365"]
    await adds_up(bench)
    assert await bench.repricing.run(*ALWAYS, chunk=1) == 1
    assert await bench.repricing.run(*ALWAYS) == 0
    assert {line["rate_card"] for line in await standing(bench)} == {"late"}
    assert await bench.mongo.collection(LINES).count_documents({}) == 4
    await adds_up(bench)


async def test_pricing_anew_keeps_to_its_days(bench: Bench) -> None:
    await said(bench, status("m", S.DELIVERED, pricing=MARKETING))
    bench.card = cheaper()
    later = MADE + timedelta(hours=1)
    assert await bench.repricing.run(later, ALWAYS[1]) == 0
    assert await bench.repricing.run(ALWAYS[0], later) == 1


async def test_every_line_names_the_one_it_replaces_and_the_one_that_replaces_it(bench: Bench) -> None:
    await said(bench, status("m", S.SENT, pricing=FREE), status("m", S.DELIVERED), status("m", S.READ))
    first, second = await bench.mongo.collection(LINES).find().sort("booked_at", 1).to_list(None)
    assert (first["replaces"], first["replaced_by"]) == (None, second["_id"])
    assert (second["replaces"], second["replaced_by"]) == (first["_id"], None)
    await adds_up(bench)


async def test_a_line_stays_when_only_the_second_of_delivery_is_known_better(bench: Bench) -> None:
    late = MADE + timedelta(seconds=30)
    await said(bench, status("m", S.READ, at=late), status("m", S.DELIVERED, at=MADE, pricing=MARKETING))
    assert await bench.mongo.collection(LINES).count_documents({}) == 1
    await adds_up(bench)


async def test_a_later_word_on_the_opener_moves_the_price_of_its_conversation(bench: Bench) -> None:
    opening = {"conversation": BillingConversation(id="abc", origin_type="utility")}
    utility, marketing = (word.model_copy(update={"pricing_model": "CBP"}) for word in (UTILITY, MARKETING))
    await said(bench, *(status(it, S.DELIVERED, pricing=utility, **opening) for it in ("m", "n")))
    await said(bench, status("m", S.READ, pricing=marketing, **opening), begin=2)
    [row] = await bench.mongo.collection(BILLING).find().to_list(None)
    prices = {line["message_id"]: (line["amount"], line["opens"]) for line in await standing(bench)}
    assert prices == {"m": (row["amount"], True), "n": ("0", False)}
    assert (row["category"], row["opened_by"]) == ("marketing", "m")
    assert (await bench.counted(Kind.COST))["conversations"] == 1
    await adds_up(bench)


async def test_what_meta_says_of_a_conversation_is_kept_whoever_said_it_first(bench: Bench) -> None:
    until = MADE + timedelta(hours=72)
    await said(
        bench, status("m", S.SENT, conversation=BillingConversation(id="abc")),
        status("n", S.SENT, conversation=BillingConversation(id="abc", origin_type="referral_conversion")),
        status("m", S.DELIVERED, conversation=BillingConversation(id="abc", expires_at=until)),
    )  # fmt: skip
    [row] = await bench.mongo.collection(BILLING).find().to_list(None)
    assert (row["origin_type"], row["expires_at"], row["billable"]) == ("referral_conversion", until, None)
    word = Pricing(billable=False, pricing_model="PMP", type="free_entry_point", category="referral_conversion")
    await said(bench, status("m", S.READ, pricing=word, conversation=BillingConversation(id="abc")), begin=3)
    [row] = await bench.mongo.collection(BILLING).find().to_list(None)
    assert (row["billable"], row["amount"], row["expires_at"]) == (False, "0", until)
    await adds_up(bench)


async def test_a_price_that_comes_with_a_status_said_again_is_booked_once(bench: Bench) -> None:
    await said(bench, status("m", S.DELIVERED))
    assert (await bench.counted(Kind.COST)) == {"messages": 1, "unknown": 1}
    again = [record(status("m", S.DELIVERED, pricing=MARKETING), offset) for offset in (1, 2)]
    await bench.ingest.take(again)
    await bench.ingest.take(again)
    assert (await bench.counted(Kind.COST))["billable"] == 1
    assert await bench.mongo.collection(LINES).count_documents({}) == 1
    await adds_up(bench)


async def test_a_record_that_could_not_be_counted_counts_when_it_is_handed_in_again(mongo: Mongo) -> None:
    class Refusing(SumsStore):
        refuses = True

        async def add(self, session: Session, layer: int, sums: Any) -> None:
            await super().add(session, layer, sums)
            if self.refuses:
                raise ValueError

    sums = Refusing(mongo)
    bench = Bench(mongo, sums)
    with pytest.raises(ValueError):  # noqa: PT011  # whatever it is that a mistake of ours raises
        await said(bench, status("m", S.SENT))
    sums.refuses = False
    await said(bench, status("m", S.DELIVERED), begin=1)
    assert (await bench.counted())["delivered"] == 1
    await said(bench, status("m", S.SENT))  # requeued
    assert await bench.counted() == {"attempted": 1, "accepted": 1, "sent": 1, "delivered": 1}
    await adds_up(bench)


async def test_a_code_that_can_be_no_name_of_a_field_buries_nothing(bench: Bench) -> None:
    error = MessageError(type="upstream_error", code="a\0b.$c", message="no")
    await said(bench, status("m", S.FAILED, error=error), status("n", S.SENT))
    assert (await bench.counted())["failed:a_b__c"] == 1
    await adds_up(bench)


async def test_events_of_a_topic_that_was_made_anew_count(bench: Bench) -> None:
    await said(bench, status("m", S.SENT), begin=1_000)
    await said(bench, status("m", S.DELIVERED), status("n", S.SENT))
    assert await bench.counted() == {"attempted": 2, "accepted": 2, "sent": 2, "delivered": 1}


async def test_of_two_who_count_anew_at_once_one_gives_way(bench: Bench) -> None:
    await bench.ingest.take(log_of(lives(120, random.Random(8))))
    before = {kind: await bench.counted(kind) for kind in Kind}
    ended = await asyncio.gather(*(bench.rebuild.run(chunk=7) for _ in range(3)), return_exceptions=True)
    assert {type(it) for it in ended} == {int, Overtaken}
    assert {kind: await bench.counted(kind) for kind in Kind} == before


async def test_a_unit_of_work_that_was_open_when_counting_anew_began_is_in_both_layers(mongo: Mongo) -> None:
    began, go_on = asyncio.Event(), asyncio.Event()

    class Slow(SumsStore):
        waits = False

        async def add(self, session: Session, layer: int, sums: Any) -> None:
            if self.waits:
                began.set()
                await go_on.wait()
            await super().add(session, layer, sums)

    slow = Slow(mongo)
    bench, other = Bench(mongo, slow), Bench(mongo, SumsStore(mongo))
    for place, partition in enumerate((0, 1)):  # a partition that is known, and one that is new
        slow.waits = False
        await said(bench, status(f"m{place}", S.SENT))
        slow.waits = True
        began.clear()
        go_on.clear()
        unit = asyncio.create_task(bench.ingest.take([record(status(f"n{place}", S.SENT), 1, partition)]))
        await began.wait()
        rebuild = asyncio.create_task(other.rebuild.run(chunk=2))
        await asyncio.wait([rebuild], timeout=0.3)
        slow.waits = False
        go_on.set()
        await asyncio.gather(unit, rebuild)
        assert (await bench.counted())["sent"] == 2 * (place + 1)
        assert await bench.counted() == await bench.recounted()


async def test_days_whose_history_is_gone_keep_their_sums_whatever_is_kept_today(bench: Bench) -> None:
    old = {"at": MADE - KEPT, "created_at": MADE - KEPT}
    await said(bench, status("old", S.DELIVERED, pricing=MARKETING, **old), status("new", S.DELIVERED))
    before = {kind: await bench.counted(kind) for kind in Kind}
    await bench.mongo.collection(history_store.HISTORY).update_one(
        {"message_id": "old"}, {"$set": {"stored_at": MADE - 2 * KEPT}}
    )
    await bench.retention._round()
    assert await bench.mongo.collection(history_store.HISTORY).count_documents({}) == 1
    await bench.rebuild.run()
    assert {kind: await bench.counted(kind) for kind in Kind} == before


async def test_nothing_is_forgotten_while_all_is_counted_anew(bench: Bench) -> None:
    await said(bench, status("m", S.SENT))
    await bench.mongo.collection(history_store.HISTORY).update_many({}, {"$set": {"stored_at": MADE - 2 * KEPT}})
    await bench.mongo.transaction(bench.rebuild._begin)
    await bench.retention._round()
    assert await bench.mongo.collection(history_store.HISTORY).count_documents({}) == 1


async def test_sums_stay_where_counting_anew_finds_fewer_unless_that_is_accepted(bench: Bench) -> None:
    await bench.ingest.take(log_of(lives(30, random.Random(9))))
    before = await bench.counted()
    await bench.mongo.collection(history_store.HISTORY).delete_many({"message_id": {"$gt": "", "$lt": "~"}})
    with pytest.raises(FewerCounted, match="0 attempted instead of 30"):
        await bench.rebuild.run()
    assert await bench.counted() == before
    await bench.rebuild.run(accept_fewer=True)
    assert (await bench.counted())["attempted"] == 0


async def test_layers_that_nobody_reads_any_more_go(bench: Bench) -> None:
    await said(bench, status("m", S.SENT))
    left = await bench.mongo.collection(SUMS).find_one({})
    assert left is not None
    await bench.mongo.collection(SUMS).insert_one(left | {"_id": "left", "layer": 0})
    await bench.rebuild.run()
    assert await bench.mongo.collection(SUMS).distinct("layer") == [2]


async def test_two_owners_of_a_partition_at_the_same_time_count_it_once(bench: Bench) -> None:
    records = log_of(lives(60, random.Random(3)), partitions=1)
    other = Bench(bench.mongo, SumsStore(bench.mongo))
    await asyncio.gather(*(it.ingest.take(records[place : place + 90])
                           for place in range(0, len(records), 30) for it in (bench, other)))  # fmt: skip
    for kind in Kind:
        assert await bench.counted(kind) == await bench.recounted(kind)
