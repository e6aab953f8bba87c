"""Bring a Kafka's topics to the form of `contracts/topics.yaml`; what is different is said first."""

import argparse
import asyncio
import logging
import sys
from pathlib import Path
from typing import Any

import yaml
from aiokafka.admin import AIOKafkaAdminClient  # type: ignore[import-untyped]
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]

from deploy.local.deployment import chosen
from deploy.local.errors import StackRefused
from deploy.local.settings import given_variables
from deploy.local.topic_changes import Difference, apply, differences
from deploy.local.topic_settings import Topic, TopicSettings, TopicWishes
from libs.events.topics import OUTBOUND_BULK, OUTBOUND_INTERACTIVE, dead_letter_topic
from libs.kafka.connection import KafkaConnection
from libs.kafka.refusals import knock
from libs.runtime.errors import StartRefused
from libs.runtime.settings import PREFIX, read_settings, validated

TOPICS_FILE = Path(__file__).parents[2] / "contracts" / "topics.yaml"
REACHED_WITHIN = 30.0  # seconds: a broker that just began to listen may still be loading
BETWEEN_TRIES = 0.2  # seconds


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


async def ensure_topics(
    kafka: KafkaConnection, topics: list[Topic], replication: int = 1, *, dry_run: bool = False
) -> list[Difference]:  # fmt: skip
    """Create what is missing, grow what is small, set what is otherwise; -> what was changed, or would be.

    What only an operator can change is among it, and left as it is (`by_hand`).
    All of them have their leaders when it returns. Raises StackRefused when the broker cannot be reached or refuses,
    StartRefused when it does not let us in.
    """
    try:
        admin = await _connected(kafka)
        try:
            changes = await differences(admin, topics, replication)
            if not dry_run:
                await apply(admin, changes, replication)
        finally:
            await admin.close()
    except (KafkaError, TimeoutError) as error:
        raise StackRefused(
            f"Kafka at {kafka.bootstrap} did not take the topics: {str(error) or 'no answer'}"
        ) from error
    return changes


async def broker_count(kafka: KafkaConnection) -> int:
    """Return how many brokers there are; raises as `ensure_topics` does."""
    try:
        admin = await _connected(kafka)
        try:
            return len((await admin.describe_cluster())["brokers"])
        finally:
            await admin.close()
    except (KafkaError, TimeoutError) as error:
        raise StackRefused(f"Kafka at {kafka.bootstrap} does not answer: {str(error) or 'nothing came'}") from error


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


def _wanted() -> tuple[KafkaConnection, list[Topic], int]:
    """Return the Kafka of the deployment that every command would take, its topics, and copies of each."""
    deployment = chosen(Path(given_variables().get(f"{PREFIX}STATE") or ".wabus"))
    settings = validated(TopicWishes, deployment.values) if deployment is not None else read_settings(TopicSettings)
    kafka = KafkaConnection.to(settings.kafka_bootstrap, settings)
    on_a_stack = deployment is not None and deployment.stack is not None  # which has as many as it has brokers
    copies = asyncio.run(broker_count(kafka)) if on_a_stack else settings.kafka_replication
    return kafka, settings.applied_to(read_topics()), copies


def main() -> None:
    """Bring the topics of a Kafka to the contract's form: the job of a deployment.

    With `--dry-run` it only says what it would change. Exit code 1 if refused.
    """
    parser = argparse.ArgumentParser(description="Bring Kafka's topics to the form of contracts/topics.yaml.")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be changed")
    parser.add_argument("--list", action="store_true", help="only print the names of the topics; no Kafka is asked")
    asked = parser.parse_args()
    logging.getLogger().addHandler(logging.NullHandler())  # what refuses is told in one sentence, at the end
    dry_run: bool = asked.dry_run
    try:
        if asked.list:
            sys.stdout.writelines(f"{topic.name}\n" for topic in read_topics())
            return
        kafka, topics, copies = _wanted()
        changes = asyncio.run(ensure_topics(kafka, topics, copies, dry_run=True))
        for change in changes:
            sys.stdout.write(f"{change}\n")
        ours = [change for change in changes if not change.by_hand]
        if ours and not dry_run:
            asyncio.run(ensure_topics(kafka, topics, copies))
    except (StackRefused, StartRefused) as refused:
        sys.exit(str(refused))
    by_hand = f", {len(changes) - len(ours)} by hand" if len(changes) > len(ours) else ""
    said = f"{len(ours)} {'differences' if dry_run else 'changed'}{by_hand}"
    sys.stdout.write(f"{said if changes else 'all topics are as they should be'}\n")


if __name__ == "__main__":
    main()
