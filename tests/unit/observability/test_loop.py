import time

from prometheus_client import REGISTRY

from libs.observability.loop import LoopWatch
from tests.support.waiting import eventually

NAME = "wabus_event_loop_delay_seconds"


def looks() -> tuple[float, float]:
    """Return how many looks there were, and how many found the loop at most 100 ms late."""
    count = REGISTRY.get_sample_value(f"{NAME}_count") or 0.0
    return count, REGISTRY.get_sample_value(f"{NAME}_bucket", {"le": "0.1"}) or 0.0


async def test_a_loop_that_was_blocked_is_seen_to_be_late() -> None:
    watch, before = LoopWatch(), looks()
    await watch.start()
    time.sleep(0.7)  # noqa: ASYNC251 - blocking the loop is what this is about
    await eventually(lambda: looks()[0] > before[0], "a look")
    await watch.stop()
    count, in_time = looks()
    assert count - before[0] > in_time - before[1]
