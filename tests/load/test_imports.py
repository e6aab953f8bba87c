"""A million recipients as a stream: flat memory, whatever the length."""

import time
from collections.abc import Iterator

import httpx
import pytest

from tests.load.cost import Meter, memory_bytes
from tests.support.campaigns import STORED, draft, read
from tests.support.running import API, running_stack
from tests.support.shared_stack import install

pytestmark = pytest.mark.long

ROWS = 1_000_000
MOST = 300e6  # bytes


def lines(rows: int) -> Iterator[bytes]:
    """Yield a CSV file, a thousand rows at a time."""
    yield b"to,1\n"
    for first in range(0, rows, 1_000):
        yield b"".join(b"+4915%09d,Person %d\n" % (place, place) for place in range(first, min(first + 1_000, rows)))


def test_a_million_recipients_are_imported_in_flat_memory() -> None:
    with running_stack() as stack:
        number = stack.connect(throughput=1000, messaging_limit="UNLIMITED")
        install(stack, number, *STORED)
        campaign_id = draft(number, [], "sale")
        pids = {name: stack.info["pids"][name] for name in ("edge", "campaigns", "mongod")}
        meter, began = Meter(pids), time.perf_counter()
        answer = httpx.post(
            f"{stack.info['edge']}{API}/campaigns/{campaign_id}/recipients", content=lines(ROWS), timeout=600,
            headers={"Authorization": f"Bearer {stack.key}", "Content-Type": "text/csv"}, trust_env=False,
        )  # fmt: skip
        seconds = time.perf_counter() - began
        assert answer.json()["added"] == ROWS == read(stack, campaign_id)["recipients"]
        held = {name: memory_bytes(pids[name]) / 1e6 for name in ("edge", "campaigns")}
        cost = {name: round(used / ROWS * 1e6) for name, used in meter.used().items()}
        print(f"{ROWS / seconds:.0f} rows/s, CPU-us each {cost}, MB {held}")  # noqa: T201  # what the run is for
        assert max(held.values()) * 1e6 < MOST, held
