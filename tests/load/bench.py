"""`make bench`: drive the public API and print what a message costs, next to floors of the same run.

python -m tests.load.bench [--messages N] [--connections N] [--numbers N]
"""

import argparse
import asyncio
import sys
import time

from tests.load import floors
from tests.load.client import Result, drive, text_body
from tests.load.cost import Meter, memory_bytes
from tests.support.running import API, Stack, running_stack, until

USERS = 400  # people a number talks to: several messages each, and the pair rate lifted
BARS = {"edge": 1.5, "outbound POST": 1.3, "webhook": 1.5}


def main() -> int:
    """Run the bench; exit code 1 when a bar does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--numbers", type=int, default=4)
    chosen = parser.parse_args()
    with running_stack(WABUS_EDGE_KEY_RATE="100000", WABUS_EDGE_TENANT_RATE="100000") as stack:
        return Bench(stack, chosen.messages, chosen.connections, chosen.numbers).run()


def say(line: str) -> None:
    """Print a line of the report."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class Bench:
    """One run against one stack."""

    def __init__(self, stack: Stack, messages: int, connections: int, numbers: int, people: int = USERS) -> None:
        self._stack, self._messages, self._connections, self._people = stack, messages, connections, people
        stack.box("PUT", "/limits", {"pair_rate": False})
        self._numbers = [stack.connect(throughput=1000) for _ in range(numbers)]

    def run(self) -> int:
        """Open windows, warm up, measure, compare."""
        say(f"{len(self._numbers)} numbers, {self._messages} messages, {self._connections} connections")
        self._idle()
        self.open_windows()
        asyncio.run(self.load(min(2_000, self._messages)))
        meter = Meter(self._stack.info["pids"])
        started = time.perf_counter()
        accepted, wall = asyncio.run(self.load(self._messages)), 0.0
        wall = time.perf_counter() - started
        used = {name: seconds / self._messages * 1e6 for name, seconds in meter.used().items()}
        self._report(accepted, wall, used)
        return self._compare(used)

    def _idle(self) -> None:
        meter, began = Meter(self._stack.info["pids"]), time.perf_counter()
        until(lambda: time.perf_counter() - began > 10, "ten idle seconds", 15)
        share = sum(meter.used().values()) / (time.perf_counter() - began) * 100
        memory = sum(memory_bytes(pid) for pid in self._stack.info["pids"].values()) / 1e6
        say(f"idle: {share:.1f}% of a core, {memory:.0f} MB")

    def open_windows(self) -> None:
        """Have all people write to all numbers."""
        for number in self._numbers:
            number.open_windows([_user(i) for i in range(self._people)])

    async def load(self, count: int) -> Result:
        """Post messages and wait until the last one is delivered."""
        headers = {"Authorization": f"Bearer {self._stack.key}"}

        def body(i: int) -> bytes:
            number = self._numbers[i % len(self._numbers)]
            return text_body(number.id, f"+{_user(i // len(self._numbers) % self._people)}", f"message {i}")

        before = self._settled()
        result = await drive(self._stack.info["edge"] + API + "/messages", headers, count, self._connections, body)
        assert result.statuses == {202: count}, (result.statuses, result.bodies[:1])
        await asyncio.to_thread(until, lambda: self._settled() - before >= count, "all are delivered", 120, 0.1)
        return result

    def _settled(self) -> float:
        text = self._stack.http.get(self._stack.info["metrics"]["tracker"]).text
        return sum(
            float(line.rsplit(" ", 1)[1])
            for line in text.splitlines()
            if line.startswith("wabus_tracker_statuses_total") and 'status="delivered"' in line
        )

    def _report(self, accepted: Result, wall: float, used: dict[str, float]) -> None:
        say(f"to the last delivered: {self._messages / wall:.0f} messages/s")
        say(f"accept: {self._messages / accepted.wall:.0f}/s, p50 {accepted.percentile(0.5):.1f} ms, "
            f"p99 {accepted.percentile(0.99):.1f} ms")  # fmt: skip
        for name, micros in sorted(used.items(), key=lambda item: -item[1]):
            say(f"  {name:10} {micros:7.0f} CPU-us a message")
        total = sum(micros for name, micros in used.items() if name != "sandbox")
        say(f"  {'in all':10} {total:7.0f} CPU-us a message, the sandbox not counted")

    def _compare(self, used: dict[str, float]) -> int:
        measured = floors.measure(self._stack, self._numbers, self._connections)
        failed = 0
        for name, (ours, floor) in measured.items():
            ratio, bar = ours / floor, BARS[name]
            failed += ratio > bar
            say(f"{name}: {ours:.0f} CPU-us against a floor of {floor:.0f}: {ratio:.2f} (bar {bar})")
        return 1 if failed else 0


def _user(i: int) -> str:
    return f"1555200{i:04d}"


if __name__ == "__main__":
    sys.exit(main())
