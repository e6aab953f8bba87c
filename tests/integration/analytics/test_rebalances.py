"""Members of the group that come and go while statuses come: each status counts once."""

import random

from libs.kafka.batches import BatchConsumer
from libs.kafka.bus import Bus
from libs.kafka.connection import KafkaConnection
from libs.kafka.events import outgoing
from libs.mongo.client import Mongo
from services.analytics.counting import Kind
from services.analytics.sums_store import SumsStore
from tests.integration.kafka.conftest import GROUP, QUICK, new_topics
from tests.support.counting import Bench, lives, status, told
from tests.support.recount import recount
from tests.support.waiting import eventually

CHANGES, MESSAGES = 4, 300
WITHIN = 60  # seconds until all is counted


async def test_members_that_come_and_go_count_every_status_once(mongo: Mongo, kafka_bootstrap: str) -> None:
    [topic] = await new_topics(kafka_bootstrap)
    events = lives(MESSAGES, random.Random(7))
    bench, bus = Bench(mongo, SumsStore(mongo)), Bus(KafkaConnection(kafka_bootstrap), "test")
    await bus.start()
    members: list[BatchConsumer] = []
    try:
        for change in range(CHANGES):
            members.append(
                BatchConsumer(bus, topics=[topic], group=GROUP, handle=bench.ingest.take, dead_letters=QUICK)
            )
            await members[-1].start()
            part = events[change::CHANGES]
            await bus.publish_many([outgoing(told(status(*said)))._replace(topic=topic) for said in part])
            await members[-1].joined()
            if len(members) > 2:
                await members.pop(0).stop()
        expected = recount((message_id, to.value) for message_id, to in events)

        async def all_counted() -> bool:
            return {name: count for name, count in (await bench.counted()).items() if ":" not in name} == expected

        await eventually(all_counted, "all is counted", WITHIN, 0.2)
        for kind in Kind:
            assert await bench.counted(kind) == await bench.recounted(kind)
    finally:
        for member in members:
            await member.stop()
        await bus.stop()
