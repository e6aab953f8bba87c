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
COPIES = "replication factor"
SET_ON_TOPIC = 1  # Kafka's source of a setting: said of this very topic


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that a topic has otherwise; `has` is None where there is no such topic."""

    topic: Topic
    what: str
    has: str | None
    wants: str

    @property
    def by_hand(self) -> bool:
        """Whether an operator has to change it: Kafka takes a number of copies with a plan of who holds them."""
        return self.what == COPIES

    def __str__(self) -> str:
        """Say it in a line."""
        if self.has is None:
            return f"{self.topic.name}: missing, {self.wants}"
        line = f"{self.topic.name}: {self.what} {self.has} -> {self.wants}"
        if not self.by_hand:
            return line
        if int(self.has) > int(self.wants):
            return f"{line}, by hand; or say WABUS_KAFKA_REPLICATION={self.has}, or new topics get fewer copies"
        return f"{line}, by hand: kafka-reassign-partitions.sh, as in deploy/README.md; then this job again"


@dataclass(frozen=True, slots=True)
class _Existing:
    """A topic that is there: how many partitions, how many of them have a leader, copies of the one with the fewest."""

    partitions: int
    led: int
    copies: int


async def differences(admin: AIOKafkaAdminClient, topics: Sequence[Topic], replication: int) -> list[Difference]:
    """Return what is to be done, in the contract's order. More partitions than wanted stay: Kafka takes none back."""
    have, found = await _existing(admin, topics), list[Difference]()
    settings = await _settings(admin, [topic for topic in topics if topic.name in have])
    for topic in _alike(topics, have):
        if (it := have.get(topic.name)) is None:
            kept = f"kept {topic.retention_ms / 3_600_000:g} h"
            found.append(Difference(topic, "topic", None, f"{topic.partitions} partitions, {kept}"))
            continue
        if it.partitions < topic.partitions:
            found.append(Difference(topic, "partitions", str(it.partitions), str(topic.partitions)))
        if it.copies != replication:
            found.append(Difference(topic, COPIES, str(it.copies), str(replication)))
        known = settings[topic.name]
        for name, wants in _wanted(topic, replication, it.copies, known).items():
            has = known.get(name, ("", 0))[0]
            if has != wants:
                found.append(Difference(topic, name, has, wants))
    return found


def _wanted(topic: Topic, replication: int, copies: int, known: Mapping[str, tuple[str, int]]) -> dict[str, str]:
    """Return the settings of a topic that is there. A topic that waits for more copies than it has takes nothing."""
    wanted = topic.settings(min(replication, copies))
    in_step = known.get(IN_SYNC, ("", 0))[0]
    if in_step.isdigit() and int(wanted[IN_SYNC]) < int(in_step) <= copies:
        wanted[IN_SYNC] = in_step  # whoever forgot to say how many copies there are must not weaken them
    return wanted


async def apply(admin: AIOKafkaAdminClient, changes: Sequence[Difference], replication: int) -> None:
    """Make it so, but for what is to be done by hand; all partitions have their leaders when it returns.

    Raises StackRefused.
    """
    missing = [it.topic for it in changes if it.has is None]
    small = [it.topic for it in changes if it.what == "partitions"]
    kinds = ("topic", "partitions", COPIES)
    other = list(dict.fromkeys(it.topic for it in changes if it.what not in kinds))
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


def _alike(topics: Sequence[Topic], have: Mapping[str, _Existing]) -> list[Topic]:
    """Return the topics as wanted, both lanes' with as many partitions as the larger one has: one sender owns both."""
    lanes = [topic for topic in topics if topic.name in (OUTBOUND_INTERACTIVE, OUTBOUND_BULK)]
    there = [have[topic.name].partitions for topic in lanes if topic.name in have]
    most = max([*(topic.partitions for topic in lanes), *there], default=0)
    return [replace(topic, partitions=most) if topic in lanes else topic for topic in topics]


async def _set(admin: AIOKafkaAdminClient, topics: Sequence[Topic], replication: int) -> None:
    # Kafka takes all that is said of a topic at once: what else an operator said of it is said again.
    known, have = await _settings(admin, topics), await _existing(admin, topics)
    resources = []
    for topic in topics:
        own = {name: value for name, (value, source) in known[topic.name].items() if source == SET_ON_TOPIC}
        wanted = _wanted(topic, replication, have[topic.name].copies, known[topic.name])
        resources.append(ConfigResource(ConfigResourceType.TOPIC, topic.name, own | wanted))
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


async def _existing(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> dict[str, _Existing]:
    """Return those of the topics that are there."""
    there = set(await admin.list_topics())
    names = [topic.name for topic in topics if topic.name in there]
    described = await admin.describe_topics(names) if names else []
    return {
        row["topic"]: _Existing(
            len(row["partitions"]),
            sum(part["leader"] >= 0 for part in row["partitions"]),
            min((len(part["replicas"]) for part in row["partitions"]), default=0),
        )
        for row in described
    }


async def _until_led(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> None:
    # Kafka answers before its brokers know of the new partitions: who starts now would find them missing.
    async with asyncio.timeout(LED_WITHIN):
        while True:
            have = await _existing(admin, topics)
            if all(topic.name in have and have[topic.name].led >= topic.partitions for topic in topics):
                return
            await asyncio.sleep(BETWEEN_LOOKS)


def _check(answers: Sequence[tuple[Any, ...]]) -> None:
    refused = {name: code for name, code, *_ in answers if code not in (NO_ERROR, ALREADY_EXISTS)}
    if refused:
        raise StackRefused(f"Kafka refused to make these topics (error codes): {refused}")
