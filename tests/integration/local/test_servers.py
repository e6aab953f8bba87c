"""The embedded servers are what they say: a Kafka with the contract's topics, a MongoDB that takes majority writes."""

import asyncio
from typing import Any

from pymongo import MongoClient
from pymongo.write_concern import WriteConcern

from deploy.local.topics import Topic, ensure_topics, read_topics
from libs.kafka.connection import KafkaConnection


async def test_every_topic_of_the_contract_is_there_with_its_partitions(kafka_bootstrap: str) -> None:
    assert await ensure_topics(KafkaConnection(kafka_bootstrap), read_topics()) == []


async def test_a_topic_with_too_few_partitions_grows(kafka_bootstrap: str) -> None:
    assert await ensure_topics(KafkaConnection(kafka_bootstrap), [Topic("grows.v1", 1, 60_000, 1_000)]) == ["grows.v1"]
    assert await ensure_topics(KafkaConnection(kafka_bootstrap), [Topic("grows.v1", 3, 60_000, 1_000)]) == ["grows.v1"]
    assert await ensure_topics(KafkaConnection(kafka_bootstrap), [Topic("grows.v1", 3, 60_000, 1_000)]) == []


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
