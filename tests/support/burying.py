"""Records buried as a consumer of ours buries them, for tests of what becomes of them."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from libs.kafka.bus import Bus
from libs.kafka.connection import KafkaConnection
from libs.kafka.dead_letters import Burial, DeadLetterPolicy, Story
from libs.kafka.errors import Reason
from libs.kafka.record import Record
from tests.support.running import Stack

BETWEEN = 100  # burials at once


def bury(stack: Stack, group: str, records: Sequence[Record], error: str = "KeyError at handle") -> None:
    """Bury records of a topic as if a bug of `group` had met each of them."""

    async def write() -> None:
        bus = Bus(KafkaConnection(stack.info["kafka"]), "tests")
        await bus.start()
        burial = Burial(bus, group, DeadLetterPolicy(service=group))
        story = Story(Reason.HANDLER_FAILED, error, 5, datetime.now(UTC))
        try:
            for first in range(0, len(records), BETWEEN):
                await asyncio.gather(*(burial.bury(record, story) for record in records[first : first + BETWEEN]))
        finally:
            await bus.stop()

    asyncio.run(write())
