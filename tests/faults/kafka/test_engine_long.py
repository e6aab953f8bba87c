"""Minutes of every fault at once: members that come, go, die and freeze, a broker that restarts and dies, cut wires."""

import asyncio
import random
import signal
from pathlib import Path

import pytest

from libs.kafka.bus import Bus
from libs.kafka.connection import KafkaConnection
from tests.faults.kafka.conftest import Faulty
from tests.integration.kafka.conftest import GROUP, new_topics
from tests.support.members import Crowd, Ledger
from tests.support.waiting import eventually

pytestmark = pytest.mark.long

SEED = random.randrange(1 << 32)
MINUTES = 3
MOST_MEMBERS = 4
IN_FLIGHT = 800  # records that one member may have in hand when something happens to it


class Trouble:
    """Plays one fault after the other to a crowd, drawn by chance, and counts those that may repeat records."""

    def __init__(self, crowd: Crowd, chance: random.Random) -> None:
        self._crowd = crowd
        self._chance = chance
        self._members: list[str] = []
        self.rough = 0

    async def play(self) -> None:
        """Let something happen to one member, or let one come."""
        if len(self._members) < 2 or (len(self._members) < MOST_MEMBERS and self._chance.random() < 0.4):
            self._members.append(self._crowd.join())
            await self._crowd.works(self._members[-1])
            return
        member = self._chance.choice(self._members)
        fault = self._chance.choice([self._leave, self._kill, self._freeze])
        await fault(member)

    async def _leave(self, member: str) -> None:
        self._members.remove(member)
        await self._crowd.leave(member)

    async def _kill(self, member: str) -> None:
        self.rough += 1
        self._members.remove(member)
        await self._crowd.leave(member, signal.SIGKILL)

    async def _freeze(self, member: str) -> None:
        self.rough += 1
        self._crowd.send(member, signal.SIGSTOP)
        await asyncio.sleep(2 * self._crowd.session_timeout_ms / 1000)  # the fault itself
        self._crowd.send(member, signal.SIGCONT)


@pytest.mark.parametrize("mode", ["lanes", "batch"])
async def test_minutes_of_trouble_lose_nothing_and_keep_the_order(mode: str, faulty: Faulty, tmp_path: Path) -> None:
    bootstrap, proxy, _ = faulty
    topics = await new_topics(bootstrap, 2, partitions=6)
    bus = Bus(KafkaConnection(bootstrap), "test")
    await bus.start()
    chance = random.Random(SEED)
    crowd, ledger = Crowd(bootstrap, topics, GROUP, tmp_path, mode), Ledger(bus, topics)
    trouble = Trouble(crowd, chance)
    loop = asyncio.get_running_loop()
    try:
        async with ledger.load(per_second=400):
            end = loop.time() + 60 * MINUTES
            while loop.time() < end:
                await trouble.play()
                if chance.random() < 0.2:
                    proxy.cut()
                    trouble.rough += 1
        repeats = await ledger.settle(crowd, 120)
        assert repeats <= trouble.rough * MOST_MEMBERS * IN_FLIGHT, f"seed {SEED}"
    finally:
        await crowd.end()
        await bus.stop()


async def test_a_broker_that_is_killed_and_restarted_again_and_again_loses_nothing(
    faulty: Faulty, tmp_path: Path
) -> None:
    bootstrap, _, broker = faulty
    topics = await new_topics(bootstrap, 2)
    bus = Bus(KafkaConnection(bootstrap), "test")
    await bus.start()
    crowd, ledger = Crowd(bootstrap, topics, GROUP, tmp_path, session_timeout_ms=6_000), Ledger(bus, topics)
    try:
        members = [crowd.join(), crowd.join()]
        async with ledger.load(per_second=300):
            for way in (broker.stop, broker.kill, broker.stop, broker.kill):
                await crowd.works(*members)
                ended = way()
                if ended is not None:
                    await ended
                await broker.start()
                await eventually(bus.reachable, "the bus is back", 60)
        await ledger.settle(crowd, 120)
    finally:
        await crowd.end()
        await bus.stop()
