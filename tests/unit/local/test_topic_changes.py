"""What the topics job would change of a cluster with several brokers, and what it leaves to an operator."""

from types import SimpleNamespace
from typing import Any

import pytest

from deploy.local.topic_changes import SET_ON_TOPIC, apply, differences
from deploy.local.topic_settings import Topic

WANTED = Topic("it.v1", 2, 3_600_000, 1_000)


class Cluster:
    """As much of an admin client as the job asks: one topic, its partitions' copies, its settings."""

    def __init__(self, copies: list[int], **settings: str) -> None:
        self._copies = copies
        self.settings = WANTED.settings(3) | {name.replace("_", "."): value for name, value in settings.items()}

    async def list_topics(self) -> list[str]:
        return [WANTED.name]

    async def describe_topics(self, names: list[str]) -> list[dict[str, Any]]:
        parts = [{"leader": 1, "replicas": list(range(count))} for count in self._copies]
        return [{"topic": name, "partitions": parts} for name in names]

    async def describe_configs(self, _: Any) -> list[Any]:
        entries = [(name, value, False, SET_ON_TOPIC) for name, value in self.settings.items()]
        return [SimpleNamespace(resources=[(0, "", 2, WANTED.name, entries)])]

    async def alter_configs(self, resources: list[Any]) -> list[Any]:
        [resource] = resources
        self.settings = dict(resource.configs)
        return [SimpleNamespace(resources=[(0, "", 2, WANTED.name)])]


async def said(cluster: Cluster, replication: int) -> list[str]:
    return [str(change) for change in await differences(cluster, [WANTED], replication)]


@pytest.mark.parametrize("copies", [[3, 3], [3, 4]])
async def test_as_many_copies_as_wanted_are_no_difference(copies: list[int]) -> None:
    assert await said(Cluster(copies), 3) == []


async def test_fewer_copies_than_wanted_are_told_with_what_the_operator_does() -> None:
    [line] = await said(Cluster([3, 1], min_insync_replicas="1"), 3)  # one partition is enough
    assert line.startswith("it.v1: replication factor 1 -> 3, by hand: kafka-reassign-partitions.sh")


async def test_more_copies_than_said_are_told_and_not_called_too_many() -> None:
    [line] = await said(Cluster([3, 3]), 1)
    assert line.startswith("it.v1: replication factor 3 -> 1, by hand; or say WABUS_KAFKA_REPLICATION=3")


async def test_a_topic_never_waits_for_more_copies_than_it_has() -> None:
    cluster = Cluster([1, 1], min_insync_replicas="1", retention_ms="1")
    await apply(cluster, await differences(cluster, [WANTED], 3), 3)
    assert (cluster.settings["min.insync.replicas"], cluster.settings["retention.ms"]) == ("1", "3600000")
    later = Cluster([3, 3], min_insync_replicas="1")  # after the operator gave it copies
    await apply(later, await differences(later, [WANTED], 3), 3)
    assert later.settings["min.insync.replicas"] == "2"


async def test_whoever_forgot_to_say_how_many_copies_there_are_does_not_weaken_them_with_another_change() -> None:
    cluster = Cluster([3, 3], retention_ms="1")
    await apply(cluster, await differences(cluster, [WANTED], 1), 1)
    assert (cluster.settings["min.insync.replicas"], cluster.settings["retention.ms"]) == ("2", "3600000")


async def test_what_is_to_be_done_by_hand_alone_changes_nothing() -> None:
    cluster = Cluster([3, 3])
    before = cluster.settings
    await apply(cluster, await differences(cluster, [WANTED], 1), 1)
    assert cluster.settings is before
