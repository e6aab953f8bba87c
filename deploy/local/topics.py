"""Create the topics of `contracts/topics.yaml` in a Kafka, and grow those that have too few partitions."""

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from aiokafka.admin import (  # type: ignore[import-untyped]
    AIOKafkaAdminClient,
    NewPartitions,
    NewTopic,
)
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]

from deploy.local.errors import StackRefused
from deploy.local.kafka_properties import in_sync_of
from deploy.local.settings import TopicSettings
from libs.events.topics import OUTBOUND_BULK, OUTBOUND_INTERACTIVE, dead_letter_topic
from libs.kafka.connection import KafkaConnection
from libs.kafka.refusals import knock
from libs.runtime.errors import StartRefused
from libs.runtime.settings import read_settings

TOPICS_FILE = Path(__file__).parents[2] / "contracts" / "topics.yaml"
REACHED_WITHIN = 30.0  # seconds: a broker that just began to listen may still be loading
BETWEEN_TRIES = 0.2  # seconds
NO_ERROR = 0
ALREADY_EXISTS = 36  # Kafka's error code TOPIC_ALREADY_EXISTS: another process was quicker


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic as the contract wants it; retention in milliseconds, size in bytes."""

    name: str
    partitions: int
    retention_ms: int
    max_message_bytes: int

    def as_new(self, replication: int) -> NewTopic:
        """Return the admin client's form of it."""
        configs = {
            "retention.ms": str(self.retention_ms),
            "max.message.bytes": str(self.max_message_bytes),
            "min.insync.replicas": str(in_sync_of(replication)),
        }
        return NewTopic(self.name, self.partitions, replication, topic_configs=configs)


def read_topics(path: Path = TOPICS_FILE) -> list[Topic]:
    """Return every topic of the contract, dead-letter topics included.

    Raises StackRefused when the two outbound topics differ in partitions: one sender must own both of a number.
    """
    contract = yaml.safe_load(path.read_text())
    topics = [_topic(row["name"], row) for row in contract["topics"]]
    dead = contract["dead_letters"]
    topics += [_topic(dead_letter_topic(row["topic"], row["group"]), dead) for row in dead["of"]]
    counts = {topic.partitions for topic in topics if topic.name in (OUTBOUND_INTERACTIVE, OUTBOUND_BULK)}
    if len(counts) > 1:
        raise StackRefused(f"{path.name}: {OUTBOUND_INTERACTIVE} and {OUTBOUND_BULK} must have as many partitions")
    return topics


def _topic(name: str, row: dict[str, Any]) -> Topic:
    return Topic(name, row["partitions"], row["retention_ms"], row["max_message_bytes"])


async def ensure_topics(kafka: KafkaConnection, topics: list[Topic], replication: int = 1) -> list[str]:
    """Create what is missing, grow what is small, and return the names of what was changed.

    All of them have their leaders when it returns. Raises StackRefused when the broker cannot be reached or refuses,
    StartRefused when it does not let us in.
    """
    try:
        admin = await _connected(kafka)
        try:
            return await _ensure(admin, topics, replication)
        finally:
            await admin.close()
    except (KafkaError, TimeoutError) as error:
        raise StackRefused(f"Kafka at {kafka.bootstrap} did not take the topics: {error}") from error


async def _connected(kafka: KafkaConnection) -> AIOKafkaAdminClient:
    await knock(kafka)
    async with asyncio.timeout(REACHED_WITHIN):
        while True:
            admin = AIOKafkaAdminClient(**kafka.options())
            try:
                await admin.start()
            except KafkaError:
                await admin.close()
                await asyncio.sleep(BETWEEN_TRIES)
            else:
                return admin


async def _ensure(admin: AIOKafkaAdminClient, topics: list[Topic], replication: int) -> list[str]:
    have = await _partitions(admin, topics, led=False)
    missing = [topic for topic in topics if topic.name not in have]
    if missing:
        answer = await admin.create_topics([topic.as_new(replication) for topic in missing])
        _check(answer.topic_errors)
    small = [topic for topic in topics if 0 < have.get(topic.name, 0) < topic.partitions]
    if small:
        answer = await admin.create_partitions({topic.name: NewPartitions(topic.partitions) for topic in small})
        _check(answer.topic_errors)
    if missing or small:
        await _until_led(admin, topics)
    return [topic.name for topic in [*missing, *small]]


async def _partitions(admin: AIOKafkaAdminClient, topics: list[Topic], *, led: bool) -> dict[str, int]:
    """Return for each existing topic how many partitions it has, or how many of them have a leader."""
    existing = set(await admin.list_topics())
    names = [topic.name for topic in topics if topic.name in existing]
    described = await admin.describe_topics(names) if names else []
    return {row["topic"]: sum(not led or part["leader"] >= 0 for part in row["partitions"]) for row in described}


async def _until_led(admin: AIOKafkaAdminClient, topics: list[Topic]) -> None:
    # Kafka answers before its brokers know of the new partitions: who starts now would find them missing.
    async with asyncio.timeout(REACHED_WITHIN):
        while True:
            have = await _partitions(admin, topics, led=True)
            if all(have.get(topic.name, 0) >= topic.partitions for topic in topics):
                return
            await asyncio.sleep(BETWEEN_TRIES)


def _check(answers: list[tuple[Any, ...]]) -> None:
    refused = {name: code for name, code, *_ in answers if code not in (NO_ERROR, ALREADY_EXISTS)}
    if refused:
        raise StackRefused(f"Kafka refused to make these topics (error codes): {refused}")


def main() -> None:
    """Make the contract's topics in the Kafka of the environment: the job of a deployment; exit code 1 if refused."""
    try:
        settings = read_settings(TopicSettings)
        kafka = KafkaConnection.to(settings.kafka_bootstrap, settings)
        changed = asyncio.run(ensure_topics(kafka, read_topics(), settings.kafka_replication))
    except (StackRefused, StartRefused) as refused:
        sys.exit(str(refused))
    sys.stdout.write(f"made or grew: {', '.join(changed) or 'nothing, all is there'}\n")


if __name__ == "__main__":
    main()
