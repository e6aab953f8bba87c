"""Records buried as a consumer of ours buries them, for tests of what becomes of them."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from libs.kafka.bus import Bus
from libs.kafka.connection import KafkaConnection
from libs.kafka.dead_letters import Burial, DeadLetterPolicy, Story
from libs.kafka.errors import Reason
from libs.kafka.record import Record
from tests.support.running import Stack

BETWEEN = 100  # burials at once


class _Elsewhere(Bus):
    """Writes all to one topic, whatever it is told."""

    into = ""

    async def publish(self, topic: str, **more: Any) -> None:
        """Write one record there."""
        await super().publish(self.into or topic, **more)


def bury(
    stack: Stack, group: str, records: Sequence[Record], error: str = "KeyError at handle", into: str = ""
) -> None:  # fmt: skip
    """Bury records of a topic as if a bug of `group` had met each of them; `into` another topic than theirs."""

    async def write() -> None:
        bus = _Elsewhere(KafkaConnection(stack.info["kafka"]), "tests")
        bus.into = into
        await bus.start()
        burial = Burial(bus, group, DeadLetterPolicy(service=group))
        story = Story(Reason.HANDLER_FAILED, error, 5, datetime.now(UTC))
        try:
            for first in range(0, len(records), BETWEEN):
                await asyncio.gather(*(burial.bury(record, story) for record in records[first : first + BETWEEN]))
        finally:
            await bus.stop()

    asyncio.run(write())
