"""What a Kafka's topics lack of what the contract wants, and making it so."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic  # type: ignore[import-untyped]
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType  # type: ignore[import-untyped]

from deploy.local.errors import StackRefused
from deploy.local.topic_settings import Topic
from libs.events.topics import OUTBOUND_BULK, OUTBOUND_INTERACTIVE

LED_WITHIN = 30.0  # seconds until each new partition has its leader
BETWEEN_LOOKS = 0.2  # seconds
NO_ERROR = 0
ALREADY_EXISTS = 36  # Kafka's error code TOPIC_ALREADY_EXISTS: another process was quicker
IN_SYNC = "min.insync.replicas"
SET_ON_TOPIC = 1  # Kafka's source of a setting: said of this very topic


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that a topic has otherwise; `has` is None where there is no such topic."""

    topic: Topic
    what: str
    has: str | None
    wants: str

    def __str__(self) -> str:
        """Say it in a line."""
        if self.has is None:
            return f"{self.topic.name}: missing, {self.wants}"
        return f"{self.topic.name}: {self.what} {self.has} -> {self.wants}"


async def differences(admin: AIOKafkaAdminClient, topics: Sequence[Topic], replication: int) -> list[Difference]:
    """Return what is to be done, in the contract's order. More partitions than wanted stay: Kafka takes none back."""
    have, found = await _partitions(admin, topics, led=False), list[Difference]()
    settings = await _settings(admin, [topic for topic in topics if topic.name in have])
    for topic in _alike(topics, have):
        if topic.name not in have:
            kept = f"kept {topic.retention_ms / 3_600_000:g} h"
            found.append(Difference(topic, "topic", None, f"{topic.partitions} partitions, {kept}"))
            continue
        if have[topic.name] < topic.partitions:
            found.append(Difference(topic, "partitions", str(have[topic.name]), str(topic.partitions)))
        for name, wants in topic.settings(replication).items():
            has = settings[topic.name].get(name, ("", 0))[0]
            if name == IN_SYNC and has.isdigit() and int(has) > int(wants):
                continue  # whoever forgot to say how many copies there are must not weaken them
            if has != wants:
                found.append(Difference(topic, name, has, wants))
    return found


async def apply(admin: AIOKafkaAdminClient, changes: Sequence[Difference], replication: int) -> None:
    """Make it so; all partitions have their leaders when it returns. Raises StackRefused."""
    missing = [it.topic for it in changes if it.has is None]
    small = [it.topic for it in changes if it.what == "partitions"]
    other = list(dict.fromkeys(it.topic for it in changes if it.has is not None and it.what != "partitions"))
    if missing:
        made = [NewTopic(it.name, it.partitions, replication, topic_configs=it.settings(replication)) for it in missing]
        _check((await admin.create_topics(made)).topic_errors)
    if small:
        answer = await admin.create_partitions({topic.name: NewPartitions(topic.partitions) for topic in small})
        _check(answer.topic_errors)
    if other:
        await _set(admin, other, replication)
    if missing or small:
        await _until_led(admin, [*missing, *small])


def _alike(topics: Sequence[Topic], have: dict[str, int]) -> list[Topic]:
    """Return the topics as wanted, both lanes' with as many partitions as the larger one has: one sender owns both."""
    lanes = [topic for topic in topics if topic.name in (OUTBOUND_INTERACTIVE, OUTBOUND_BULK)]
    most = max((max(topic.partitions, have.get(topic.name, 0)) for topic in lanes), default=0)
    return [replace(topic, partitions=most) if topic in lanes else topic for topic in topics]


async def _set(admin: AIOKafkaAdminClient, topics: Sequence[Topic], replication: int) -> None:
    # Kafka takes all that is said of a topic at once: what else an operator said of it is said again.
    known = await _settings(admin, topics)
    resources = []
    for topic in topics:
        own = {name: value for name, (value, source) in known[topic.name].items() if source == SET_ON_TOPIC}
        resources.append(ConfigResource(ConfigResourceType.TOPIC, topic.name, own | topic.settings(replication)))
    for answer in await admin.alter_configs(resources):
        _check([(row[3], row[0]) for row in answer.resources])


async def _settings(
    admin: AIOKafkaAdminClient, topics: Sequence[Topic]
) -> dict[str, Mapping[str, tuple[str, int]]]:  # fmt: skip
    """Return each topic's settings with where each comes from."""
    if not topics:
        return {}
    asked = [ConfigResource(ConfigResourceType.TOPIC, topic.name) for topic in topics]
    found: dict[str, Mapping[str, tuple[str, int]]] = {}
    for answer in await admin.describe_configs(asked):
        for _, _, _, name, entries, *_ in answer.resources:
            found[name] = {entry[0]: (entry[1], int(entry[3])) for entry in entries}
    return found


async def _partitions(admin: AIOKafkaAdminClient, topics: Sequence[Topic], *, led: bool) -> dict[str, int]:
    """Return for each existing topic how many partitions it has, or how many of them have a leader."""
    existing = set(await admin.list_topics())
    names = [topic.name for topic in topics if topic.name in existing]
    described = await admin.describe_topics(names) if names else []
    return {row["topic"]: sum(not led or part["leader"] >= 0 for part in row["partitions"]) for row in described}


async def _until_led(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> None:
    # Kafka answers before its brokers know of the new partitions: who starts now would find them missing.
    async with asyncio.timeout(LED_WITHIN):
        while True:
            have = await _partitions(admin, topics, led=True)
            if all(have.get(topic.name, 0) >= topic.partitions for topic in topics):
                return
            await asyncio.sleep(BETWEEN_LOOKS)


def _check(answers: Sequence[tuple[Any, ...]]) -> None:
    refused = {name: code for name, code, *_ in answers if code not in (NO_ERROR, ALREADY_EXISTS)}
    if refused:
        raise StackRefused(f"Kafka refused to make these topics (error codes): {refused}")
