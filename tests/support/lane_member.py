"""A group member as a process of its own, to be stopped, killed and frozen: `python -m tests.support.lane_member JSON`.

Each handled record is one line, `key sequence member`, appended to a file that all members share.
"""

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import Sequence
from typing import Any

from libs.kafka.batches import BatchConsumer
from libs.kafka.bus import Bus
from libs.kafka.connection import KafkaConnection
from libs.kafka.consumer import GroupConsumer
from libs.kafka.dead_letters import DeadLetterPolicy
from libs.kafka.lanes import LaneConsumer
from libs.kafka.membership import Membership
from libs.kafka.record import Record
from libs.kafka.subscription import FetchSettings


class Effects:
    """The file in which every effect of every member stands, in the order of the effects."""

    def __init__(self, path: str, name: str, work: float) -> None:
        self._file = os.open(path, os.O_APPEND | os.O_WRONLY | os.O_CREAT)
        self._name = name
        self._work = work

    async def one(self, record: Record) -> None:
        """Work for a moment, then have the effect."""
        await asyncio.sleep(random.uniform(0, 2 * self._work))
        os.write(self._file, self._line(record).encode())

    async def batch(self, records: Sequence[Record]) -> None:
        """Work for a moment, then have all effects at once."""
        await asyncio.sleep(random.uniform(0, 2 * self._work))
        os.write(self._file, "".join(self._line(record) for record in records).encode())

    def _line(self, record: Record) -> str:
        assert record.key is not None
        assert record.value is not None
        return f"{record.key.decode()} {record.value.decode()} {self._name}\n"


def make_consumer(bus: Bus, told: dict[str, Any]) -> GroupConsumer:
    """Return the consumer that the parent asked for."""
    session = told["session_timeout_ms"]
    fetch = FetchSettings(session_timeout_ms=session, heartbeat_interval_ms=session // 10, rebalance_timeout_ms=10_000)
    membership = Membership(fetch=fetch, drain_within=5)
    effects = Effects(told["effects"], told["name"], told["work"])
    dead_letters = DeadLetterPolicy(service="test")
    topics, group = told["topics"], told["group"]
    if told["mode"] == "batch":
        return BatchConsumer(
            bus, topics=topics, group=group, handle=effects.batch, dead_letters=dead_letters, membership=membership
        )
    return LaneConsumer(
        bus,
        topics=topics,
        group=group,
        lane_of=lambda record: record.key,
        handle=effects.one,
        dead_letters=dead_letters,
        membership=membership,
        window=told["window"],
    )


async def run(told: dict[str, Any]) -> None:
    """Consume until SIGTERM, then stop in order."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    bus = Bus(KafkaConnection(told["bootstrap"]), told["name"])
    await bus.start()
    consumer = make_consumer(bus, told)
    await consumer.start()
    await stop.wait()
    await consumer.stop()
    await bus.stop()


if __name__ == "__main__":
    asyncio.run(run(json.loads(sys.argv[1])))
