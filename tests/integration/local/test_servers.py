"""The embedded servers are what they say: a Kafka with the contract's topics, a MongoDB that takes majority writes."""

import asyncio
from dataclasses import replace
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient  # type: ignore[import-untyped]
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType  # type: ignore[import-untyped]
from pymongo import MongoClient
from pymongo.write_concern import WriteConcern

from deploy.local.topic_settings import Topic
from deploy.local.topics import ensure_topics, read_topics
from libs.events.topics import OUTBOUND_BULK, OUTBOUND_INTERACTIVE
from libs.kafka.connection import KafkaConnection


async def test_every_topic_of_the_contract_is_there_with_its_partitions(kafka_bootstrap: str) -> None:
    assert await ensure_topics(KafkaConnection(kafka_bootstrap), read_topics()) == []


async def test_a_topic_is_brought_to_its_form_and_what_is_different_is_said_first(kafka_bootstrap: str) -> None:
    kafka = KafkaConnection(kafka_bootstrap)

    async def said(*topics: Topic, dry_run: bool = False) -> list[str]:
        return [str(change) for change in await ensure_topics(kafka, list(topics), dry_run=dry_run)]

    first, later = Topic("grows.v1", 1, 3_600_000, 1_000), Topic("grows.v1", 3, 7_200_000, 2_000)
    assert await said(first) == ["grows.v1: missing, 1 partitions, kept 1 h"]
    wanted = [
        "grows.v1: partitions 1 -> 3", "grows.v1: retention.ms 3600000 -> 7200000",
        "grows.v1: max.message.bytes 1000 -> 2000",
    ]  # fmt: skip
    assert await said(later, dry_run=True) == await said(later, dry_run=True) == wanted
    assert await said(later) == wanted
    assert await said(later) == []
    assert await said(Topic("grows.v1", 2, 7_200_000, 2_000)) == []  # Kafka takes no partition back


async def test_both_lanes_get_as_many_partitions_as_the_larger_one(kafka_bootstrap: str) -> None:
    kafka = KafkaConnection(kafka_bootstrap)
    lanes = [topic for topic in read_topics() if topic.name in (OUTBOUND_INTERACTIVE, OUTBOUND_BULK)]
    larger = replace(lanes[0], partitions=lanes[0].partitions + 2)
    assert [it.wants for it in await ensure_topics(kafka, [larger, lanes[1]], dry_run=True)] == ["14", "14"]


async def test_a_topic_with_fewer_copies_than_wanted_is_told_and_goes_on_to_take_records(kafka_bootstrap: str) -> None:
    kafka, one = KafkaConnection(kafka_bootstrap), Topic("one-copy.v1", 1, 3_600_000, 1_000)
    await ensure_topics(kafka, [one])
    [told] = await ensure_topics(kafka, [one], 3)
    assert (told.by_hand, str(told).startswith("one-copy.v1: replication factor 1 -> 3, by hand:")) == (True, True)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    try:
        own = one.settings(1) | {"min.insync.replicas": "2"}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, "one-copy.v1", own)])
    finally:
        await admin.close()
    mended = [str(change) for change in await ensure_topics(kafka, [one], 3) if not change.by_hand]
    assert mended == ["one-copy.v1: min.insync.replicas 2 -> 1"]


async def test_what_an_operator_said_of_a_topic_beside_ours_stays(kafka_bootstrap: str) -> None:
    kafka = KafkaConnection(kafka_bootstrap)
    await ensure_topics(kafka, [Topic("kept.v1", 1, 3_600_000, 1_000)])
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    try:
        own = {"retention.ms": "1", "segment.ms": "61000"}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, "kept.v1", own)])
        changed = await ensure_topics(kafka, [Topic("kept.v1", 1, 3_600_000, 1_000)])
        assert "kept.v1: retention.ms 1 -> 3600000" in [str(change) for change in changed]
        [answer] = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, "kept.v1")])
        settings = {entry[0]: entry[1] for entry in answer.resources[0][4]}
        assert (settings["retention.ms"], settings["segment.ms"]) == ("3600000", "61000")
    finally:
        await admin.close()


async def test_two_that_create_the_same_topic_at_once_both_succeed(kafka_bootstrap: str) -> None:
    topic = [Topic("raced.v1", 2, 60_000, 1_000)]
    await asyncio.gather(*(ensure_topics(KafkaConnection(kafka_bootstrap), topic) for _ in range(4)))
    assert await ensure_topics(KafkaConnection(kafka_bootstrap), topic) == []


def test_mongod_takes_majority_writes_with_journal(mongo_url: str) -> None:
    client: MongoClient[dict[str, Any]] = MongoClient(mongo_url)
    try:
        collection = client["local_servers"].get_collection("rows", write_concern=WriteConcern(w="majority", j=True))
        collection.insert_one({"_id": 1})
        assert collection.count_documents({}) == 1
    finally:
        client.close()
