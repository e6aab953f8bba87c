"""Group members as processes, and the ledger that compares what they did with what was published."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from libs.kafka.bus import Bus, Outgoing
from tests.support.waiting import eventually

KEYS = 40  # order keys in a run: several per partition, several records under way in each
PUBLISH_FOR = 120.0  # seconds: a killed broker may take 30 to come back, and what it was sent must be known
STEPS = 50  # publishes a second
JOINS_WITHIN = 60.0  # seconds: a process starts, joins, and waits for those that were killed to be missed
LOOK_EVERY = 0.1  # seconds between two looks at the file of effects
STOP_WITHIN = 20.0  # seconds for an orderly end


@dataclass
class Crowd:
    """Members of one group that share a file of effects."""

    bootstrap: str
    topics: list[str]
    group: str
    folder: Path
    mode: str = "lanes"
    work: float = 0.002  # seconds of work per record on average
    window: int = 300
    session_timeout_ms: int = 2_000
    _count: int = 0
    _members: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def effects(self) -> Path:
        """Return the file of effects."""
        return self.folder / "effects"

    def join(self) -> str:
        """Start a member and return its name."""
        self._count += 1
        name = f"member-{self._count}"
        told: dict[str, Any] = {
            "bootstrap": self.bootstrap, "topics": self.topics, "group": self.group, "effects": str(self.effects),
            "name": name, "mode": self.mode, "work": self.work, "window": self.window,
            "session_timeout_ms": self.session_timeout_ms,
        }  # fmt: skip
        command = [sys.executable, "-m", "tests.support.lane_member", json.dumps(told)]
        with (self.folder / f"{name}.log").open("wb") as log:
            self._members[name] = subprocess.Popen(command, stdout=log, stderr=log)
        return name

    def send(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a member."""
        os.kill(self._members[name].pid, number)

    async def leave(self, name: str, number: signal.Signals = signal.SIGTERM) -> None:
        """End a member and wait until it is gone; an orderly end has to succeed."""
        self.send(name, number)
        member = self._members[name]
        await eventually(lambda: member.poll() is not None, f"the end of {name}", STOP_WITHIN)
        assert member.returncode == (0 if number is signal.SIGTERM else -number), (
            self.folder / f"{name}.log"
        ).read_text()
        del self._members[name]

    async def end(self) -> None:
        """End every member that is left, whatever its state."""
        for member in self._members.values():
            member.send_signal(signal.SIGCONT)
            member.terminate()
        for member in self._members.values():
            try:
                await asyncio.to_thread(member.wait, STOP_WITHIN)
            except subprocess.TimeoutExpired:
                member.kill()
                member.wait()
        self._members.clear()

    def lines(self) -> list[list[str]]:
        """Return all effects so far, as [key, sequence, member]."""
        if not self.effects.exists():
            return []
        return [line.split() for line in self.effects.read_text().splitlines()]

    async def works(self, *names: str, effects: int = 1) -> None:
        """Return once each of these members has had so many effects from now on."""
        before = self._effects_of(names)
        await eventually(
            lambda: all(now - old >= effects for now, old in zip(self._effects_of(names), before, strict=True)),
            f"work of {names}",
            JOINS_WITHIN,
            LOOK_EVERY,
        )

    def _effects_of(self, names: Sequence[str]) -> list[int]:
        count = Counter(line[2] for line in self.lines())
        return [count[name] for name in names]


@dataclass
class Ledger:
    """What was acknowledged, against what was done."""

    bus: Bus
    topics: list[str]
    published: int = 0
    _enough: bool = False

    @asynccontextmanager
    async def load(self, per_second: float) -> AsyncIterator[None]:
        """Publish records with a sequence number per key, at about this rate, as long as the block runs."""
        task = asyncio.create_task(self._publish(per_second))
        try:
            yield
        finally:
            self._enough = True
            await task

    async def _publish(self, per_second: float) -> None:
        step = max(1, round(per_second / STEPS))
        loop = asyncio.get_running_loop()
        begun, first = loop.time(), self.published
        while not self._enough:
            await self.bus.publish_many([self._record(self.published + number) for number in range(step)], PUBLISH_FOR)
            self.published += step
            await asyncio.sleep(max(0.0, begun + (self.published - first) / per_second - loop.time()))

    def _record(self, number: int) -> Outgoing:
        key, sequence = number % KEYS, number // KEYS
        return Outgoing(self.topics[key % len(self.topics)], f"key-{key}".encode(), str(sequence).encode())

    def missing(self, crowd: Crowd) -> int:
        """Return how many acknowledged records had no effect yet."""
        return self.published - len({(key, sequence) for key, sequence, _ in crowd.lines()})

    async def settle(self, crowd: Crowd, seconds: float = 40) -> int:
        """Wait until everything had its effect; check the order of first runs; return how many runs were repeats."""
        await eventually(lambda: not self.missing(crowd), f"all {self.published} effects", seconds, LOOK_EVERY)
        runs = Counter[tuple[str, str]]()
        reached: dict[str, int] = {}
        for key, sequence, _ in crowd.lines():
            runs[key, sequence] += 1
            if runs[key, sequence] == 1:
                assert int(sequence) == reached.get(key, -1) + 1, f"{key}: {sequence} ran first after {reached[key]}"
                reached[key] = int(sequence)
        return runs.total() - len(runs)
