"""What a consumer tells of itself: how far it gets, what it buries, that it stopped itself; each of it from a 0 on."""

from prometheus_client import REGISTRY

from libs.kafka.bus import Bus, Outgoing
from libs.kafka.ceiling import Ceiling
from libs.kafka.dead_letters import DeadLetterPolicy
from libs.kafka.errors import Poison, Reason
from libs.kafka.record import Record
from tests.integration.kafka.conftest import GROUP, Consume, MakeTopics
from tests.support.waiting import eventually


def told(name: str, topic: str, **more: str) -> float | None:
    return REGISTRY.get_sample_value(f"wabus_{name}", {"topic": topic, "group": GROUP} | more)


async def test_what_is_finished_is_counted_once_and_nothing_is_missing_at_the_start(
    bus: Bus, make_topics: MakeTopics, consume: Consume
) -> None:
    [topic] = await make_topics()

    async def handle(_: Record) -> None:
        """Do nothing."""

    await consume([topic], handle)
    assert [told("consumer_finished_total", topic), told("consumer_halted", topic)] == [0, 0]
    assert {told("dead_letters_total", topic, reason=str(reason)) for reason in Reason} == {0}
    await bus.publish_many([Outgoing(topic, b"%d" % place, b"x", []) for place in range(50)])
    await eventually(lambda: told("consumer_finished_total", topic) == 50, "all are finished and committed")
    await eventually(lambda: told("consumer_lag_records", topic) == 0, "nothing waits")
    assert told("consumer_finished_total", topic) == 50


async def test_a_consumer_that_stopped_itself_says_so(bus: Bus, make_topics: MakeTopics, consume: Consume) -> None:
    [topic] = await make_topics()

    async def refuse(_: Record) -> None:
        raise Poison(Reason.REFUSED)

    policy = DeadLetterPolicy(service="test", ceiling=Ceiling(from_count=2))
    consumer = await consume([topic], refuse, dead_letters=policy)
    await bus.publish_many([Outgoing(topic, b"k", b"x", []) for _ in range(10)])
    await eventually(lambda: consumer.halted, "the halt")
    assert told("consumer_halted", topic) == 1
    assert told("dead_letters_total", topic, reason="refused") == 2


async def test_a_broker_tells_how_full_its_disk_is(bus: Bus) -> None:
    [disk] = await bus.disks()
    assert 0 < disk.free < disk.size
