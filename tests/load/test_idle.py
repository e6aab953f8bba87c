"""What a stack costs that nobody uses: a developer leaves it running all day."""

import time

import pytest

from tests.load.cost import Meter, memory_bytes
from tests.support.running import running_stack, until

pytestmark = pytest.mark.long

SETTLES = 20.0  # seconds after the start: the JVM compiles, groups balance, indexes are made
MEASURED = 60.0  # seconds
MOST_CPU = 0.15  # of one core, all processes together
MOST_MEMORY = 1.5e9  # bytes, all processes together


def test_an_idle_stack_takes_little_of_a_core_and_of_memory() -> None:
    with running_stack() as stack:
        pids = stack.info["pids"]
        _pass(SETTLES)
        meter, began = Meter(pids), time.monotonic()
        _pass(MEASURED)
        spent = {name: seconds / (time.monotonic() - began) for name, seconds in meter.used().items()}
        memory = {name: memory_bytes(pid) for name, pid in pids.items()}
    assert sum(spent.values()) < MOST_CPU, spent
    assert sum(memory.values()) < MOST_MEMORY, memory


def _pass(seconds: float) -> None:
    end = time.monotonic() + seconds
    until(lambda: time.monotonic() >= end, "time passes", seconds + 5, step=1.0)
