"""A stack with three brokers and three members: who leads what, and how long after a crash messages flow again."""

import asyncio
import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient  # type: ignore[import-untyped]
from pymongo import MongoClient

from libs.events.topics import OUTBOUND_INTERACTIVE
from tests.support.running import Number, Stack, until


@dataclass(frozen=True)
class Recovery:
    """Seconds from a kill until edge accepts again, and until a message accepted after it is delivered."""

    victim: str
    accepts: float
    flows: float


class Replicas:
    """Finds the leaders of a stack's servers."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    def mongo_primary(self) -> str:
        """Return the name of the process that takes MongoDB's writes."""
        with MongoClient[dict[str, object]](self.stack.info["mongo"]) as client:
            hello = client.admin.command("hello")
        port = int(str(hello["primary"]).rpartition(":")[2])
        ports = json.loads((self.stack.directory / "ports.json").read_text())
        return next(str(name) for name, its in ports.items() if its == port and name.startswith("mongod"))

    def controller(self) -> str:
        """Return the name of the broker whose controller leads the quorum, as the newest vote on disk has it."""
        files = self.stack.directory.glob("kafka*/data/__cluster_metadata-0/quorum-state")
        states = [json.loads(file.read_text()) for file in files]
        return _broker(max(states, key=lambda state: state["leaderEpoch"])["leaderId"])

    def leader_of_most_wake_ups(self) -> str:
        """Return the name of the broker that leads the most partitions of the topic of wake-ups."""
        leaders = [part["leader"] for part in asyncio.run(self._partitions())]
        return _broker(max(set(leaders), key=leaders.count))

    def await_copies(self) -> None:
        """Wait until every partition of the topic of wake-ups has all its copies in step again."""
        until(lambda: all(len(part["isr"]) == 3 for part in asyncio.run(self._partitions())), "in step", 60, 0.2)

    async def _partitions(self) -> list[dict[str, Any]]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.stack.info["kafka"])
        await admin.start()
        try:
            [described] = await admin.describe_topics([OUTBOUND_INTERACTIVE])
        finally:
            await admin.close()
        partitions: list[dict[str, Any]] = described["partitions"]
        return partitions


def killed(stack: Stack, victim: str, numbers: list[Number], people: list[str], behind: float = 0.0) -> Recovery:
    """kill -9 a server that stays down, and measure with a message to each of these people by each number.

    The others of its kind have followed for the last `behind` seconds in nothing: what only the victim has is gone.
    """
    kind = victim.partition("-")[0]
    others = [name for name in stack.info["pids"] if name.partition("-")[0] == kind and name != victim]
    for name in others if behind else ():
        stack.signal(name, signal.SIGSTOP)
    time.sleep(behind)
    stack.kill(victim)
    for name in others:
        stack.signal(name, signal.SIGCONT)
    began = time.monotonic()
    stack.cli("stop", victim)  # or the supervisor brings it back within a second, and nobody else has to lead

    def way(number: Number, person: str) -> tuple[float, float]:
        message_id = until(lambda: _accepted(number, person), f"{victim} is gone, edge accepts", 60, 0.1)
        accepted = time.monotonic() - began
        number.reaches(message_id, seconds=60)
        return accepted, time.monotonic() - began

    with ThreadPoolExecutor(len(numbers) * len(people)) as pool:
        times = list(pool.map(lambda pair: way(*pair), [(number, person) for number in numbers for person in people]))
    return Recovery(victim, max(accepted for accepted, _ in times), max(flowed for _, flowed in times))


def _accepted(number: Number, person: str) -> str | None:
    answer = number.send(person)
    return str(answer.json()["id"]) if answer.status_code == 202 else None


def _broker(node: object) -> str:
    return "kafka" if node == 1 else f"kafka-{node}"
