"""Memory over a long run: no service keeps what it has dealt with."""

import asyncio

import pytest

from tests.load.bench import Bench
from tests.load.cost import memory_bytes
from tests.support.running import running_stack

pytestmark = pytest.mark.long

MESSAGES = 100_000
MOST = 300e6  # bytes
PEOPLE = 1_000  # a number: 25 messages each, below the burst of 45 that Meta allows a pair


def test_no_service_grows_beyond_300_mb_over_100_000_messages() -> None:
    with running_stack(
        WABUS_EDGE_KEY_RATE="100000", WABUS_EDGE_TENANT_RATE="100000", WABUS_EDGE_WAITING_PER_TENANT="1000000"
    ) as stack:
        bench = Bench(stack, MESSAGES, connections=64, numbers=4, people=PEOPLE)
        bench.open_windows()
        for _ in range(10):
            asyncio.run(bench.load(MESSAGES // 10))
        ours = {name: pid for name, pid in stack.info["pids"].items() if name not in ("kafka", "mongod", "sandbox")}
        grown = {name: memory_bytes(pid) / 1e6 for name, pid in ours.items()}
        print(grown)  # noqa: T201  # the figures are what the run is for
        assert max(grown.values()) * 1e6 < MOST, grown
