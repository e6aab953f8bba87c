"""What fan-out costs: campaigns of two sizes in turn, the number's rate lifted and the sender stopped.

python -m tests.load.fan_out [--small N] [--large N] [--rounds N]
"""

import argparse
import statistics
import time
from dataclasses import dataclass
from typing import Any

from pymongo import MongoClient

from tests.load.bench import say
from tests.load.cost import Meter, memory_bytes
from tests.support.running import Number, Stack, running_stack, until
from tests.support.shared_stack import install

LIFTED = 100_000_000  # messages a second: more than Meta grants anybody, so written where edge keeps it
ROWS = 10_000  # recipients of one JSON call
PATIENCE = 1_800.0  # seconds for one campaign
TEMPLATE = {
    "name": "sale", "language": "en_US", "category": "MARKETING",
    "components": [{"type": "BODY", "text": "Hi {{1}}, our sale is on.", "example": {"body_text": [["Ann"]]}}],
}  # fmt: skip
WATCHED = ("campaigns", "mongod", "kafka")


@dataclass(frozen=True, slots=True)
class Round:
    """One campaign's fan-out."""

    recipients: int
    seconds: float
    cpu: dict[str, float]  # microseconds of each process per recipient
    memory: float  # bytes of the campaigns service at its end

    @property
    def rate(self) -> float:
        """Recipients per second."""
        return self.recipients / self.seconds


def main() -> int:
    """Run the rounds and print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--large", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    with running_stack("--without", "sender", WABUS_EDGE_KEY_RATE="100000", WABUS_EDGE_TENANT_RATE="100000") as stack:
        bench = FanOutBench(stack)
        for _ in range(chosen.rounds):
            for recipients in (chosen.small, chosen.large):
                bench.say(bench.one(recipients))
        bench.compare(chosen.small, chosen.large)
    return 0


class FanOutBench:
    """Campaigns on one number whose sender is stopped."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._number: Number = stack.connect(throughput=1000, messaging_limit="UNLIMITED")
        self.rounds: list[Round] = []
        install(stack, self._number, TEMPLATE)
        client: MongoClient[dict[str, Any]] = MongoClient(stack.info["mongo"])
        client["wabus"]["numbers"].update_one({"_id": self._number.id}, {"$set": {"throughput": LIFTED}})

    def one(self, recipients: int) -> Round:
        """Import a campaign, launch it, and measure until everybody is in the ledger."""
        body = {"name": "load", "template": "sale", "phone_number_id": self._number.id}
        made = self._stack.call("POST", "/campaigns", body)
        made.raise_for_status()
        path = f"/campaigns/{made.json()['id']}"
        for first in range(0, recipients, ROWS):
            rows = [_row(first + place) for place in range(min(ROWS, recipients - first))]
            self._stack.call("POST", f"{path}/recipients", {"recipients": rows}).raise_for_status()
        pids = self._stack.info["pids"]
        meter, began = Meter({name: pids[name] for name in WATCHED}), time.perf_counter()
        self._stack.call("POST", f"{path}/launch", {}).raise_for_status()
        until(lambda: self._counts(path)["queued"] >= recipients, "everybody is queued", PATIENCE, 0.2)
        seconds = time.perf_counter() - began
        cpu = {name: used / recipients * 1e6 for name, used in meter.used().items()}
        done = Round(recipients, seconds, cpu, memory_bytes(pids["campaigns"]))
        self.rounds.append(done)
        return done

    def say(self, done: Round) -> None:
        """Print one round."""
        cpu = ", ".join(f"{name} {used:.0f}" for name, used in done.cpu.items())
        say(
            f"{done.recipients} recipients: {done.rate:.0f}/s, CPU-us each: {cpu}, "
            f"campaigns holds {done.memory / 1e6:.0f} MB"
        )

    def compare(self, small: int, large: int) -> float:
        """Print and return the ratio of the large size's median CPU a recipient to the small one's."""
        costs = {
            size: statistics.median(sum(it.cpu.values()) for it in self.rounds if it.recipients == size)
            for size in (small, large)
        }
        ratio = costs[large] / costs[small]
        say(f"CPU-us a recipient: {costs[small]:.0f} at {small}, {costs[large]:.0f} at {large}: ratio {ratio:.2f}")
        return ratio

    def _counts(self, path: str) -> dict[str, Any]:
        counts: dict[str, Any] = self._stack.call("GET", path).json()["counts"]
        return counts


def _row(place: int) -> dict[str, Any]:
    parameters = [{"type": "text", "text": f"Person {place}"}]
    return {"to": f"+4915{place:09d}", "components": [{"type": "body", "parameters": parameters}]}


if __name__ == "__main__":
    raise SystemExit(main())
