"""What a campaign at full rate leaves to others, and what one number can do."""

import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import pytest

from tests.load.test_imports import lines
from tests.support.campaigns import STORED, draft, read
from tests.support.running import API, Number, Stack, running_stack, until
from tests.support.shared_stack import install

pytestmark = pytest.mark.long

RATE = 80  # messages a second of an ordinary number
CAMPAIGN = 100_000  # recipients: more than a quarter of an hour at that rate
REPLIES = 200
HIGH = 1_000  # messages a second of a number that Meta let up
LEAST = 300  # messages a second that even two cores with everything on them carry; more is a matter of cores
MINUTE = 60.0  # seconds
NEVER = 3600.0  # seconds until Meta's first status: no webhook comes within the test
STEADY = 5.0  # seconds at both ends that are left out: it starts and it ends


@pytest.fixture(scope="module")
def busy() -> Iterator[Stack]:
    """A stack of its own: the figures are of it alone."""
    with running_stack(WABUS_EDGE_KEY_RATE="100000", WABUS_EDGE_TENANT_RATE="100000") as stack:
        stack.box("PUT", "/limits", {"pair_rate": False})
        yield stack


def import_many(stack: Stack, campaign_id: str, rows: int, template: str) -> None:
    """Import so many people in Germany, with a name where the template wants one."""
    file = lines(rows) if template == "sale" else numbers(rows)
    answer = stack.http.post(
        f"{stack.info['edge']}{API}/campaigns/{campaign_id}/recipients", content=file, timeout=600,
        headers={"Authorization": f"Bearer {stack.key}", "Content-Type": "text/csv"},
    )  # fmt: skip
    assert answer.json()["added"] == rows, answer.text


def numbers(rows: int) -> Iterator[bytes]:
    """Yield a CSV file of nothing but numbers."""
    yield b"to\n"
    for first in range(0, rows, 1_000):
        yield b"".join(b"+4915%09d\n" % place for place in range(first, min(first + 1_000, rows)))


@contextmanager
def running(number: Number, rows: int, template: str = "sale") -> Iterator[str]:
    """A campaign at the number's full rate for as long as the block runs."""
    campaign_id = draft(number, [], template)
    import_many(number.stack, campaign_id, rows, template)
    assert number.stack.call("POST", f"/campaigns/{campaign_id}/launch", {}).status_code == 202
    until(
        lambda: read(number.stack, campaign_id)["counts"]["accepted"] + _sent(number, campaign_id) > 100, "it runs", 60
    )
    try:
        yield campaign_id
    finally:
        number.stack.call("POST", f"/campaigns/{campaign_id}/cancel", {})


def _sent(number: Number, campaign_id: str) -> int:
    counts = read(number.stack, campaign_id)["counts"]
    return int(counts["sent"] + counts["delivered"] + counts["read"])


def seconds_to_meta(number: Number, people: list[str]) -> list[float]:
    """Send one text to each, ten a second, and return how long each took until Meta accepted it."""
    ids = {}
    for who in people:
        answer = number.send(who)
        assert answer.status_code == 202, answer.text
        ids[answer.json()["id"]] = answer.json()["created_at"]
        threading.Event().wait(0.1)
    for message_id in ids:
        number.reaches(message_id, "accepted", "sent", "delivered", "read", seconds=60)
    took = []
    for message_id in ids:
        history = {step["status"]: step["at"] for step in number.stack.message(message_id)["history"]}
        accepted = datetime.fromisoformat(history["accepted"])
        took.append((accepted - datetime.fromisoformat(history["queued"])).total_seconds())
    return sorted(took)


def percentile(values: list[float], share: float) -> float:
    """Return the value below which that share of sorted values lies."""
    return values[min(int(len(values) * share), len(values) - 1)]


def test_a_reply_overtakes_a_campaign_and_other_tenants_are_not_slowed(busy: Stack) -> None:
    number = busy.connect(throughput=RATE, messaging_limit="UNLIMITED")
    other = busy.connect(throughput=RATE, messaging_limit="UNLIMITED")
    install(busy, number, *STORED)
    people = [f"1558{place:07d}" for place in range(REPLIES)]
    number.open_windows(people)
    other.open_windows(people)
    alone = seconds_to_meta(other, people)
    with running(number, CAMPAIGN):
        replies, others = seconds_to_meta(number, people), seconds_to_meta(other, people)
    for name, took in (("reply on its number", replies), ("another number", others), ("without a campaign", alone)):
        print(f"{name}: median {statistics.median(took) * 1000:.0f} ms, p99 {percentile(took, 0.99) * 1000:.0f} ms")  # noqa: T201
    assert percentile(replies, 0.99) < 1
    assert percentile(others, 0.99) < 1


@pytest.mark.parametrize("webhooks", [False, True], ids=["webhooks off", "webhooks on"])
def test_one_number_is_held_at_a_thousand_a_second_and_never_above(busy: Stack, webhooks: bool) -> None:
    number = busy.connect(throughput=HIGH, messaging_limit="UNLIMITED")
    install(busy, number, *STORED)
    busy.box("PUT", "/timing", {"sent": {"min": 0.1, "max": 0.3} if webhooks else NEVER})
    with running(number, int(HIGH * (MINUTE + 6 * STEADY)), "notice"):
        began = time.monotonic()
        until(lambda: time.monotonic() - began > MINUTE + 2 * STEADY, "a minute is over", 120, 0.5)
    arrived = (datetime.fromisoformat(row["at"]) for row in busy.sends() if row["phone_number_id"] == number.id)
    seconds = Counter(moment.replace(microsecond=0) for moment in arrived)
    full = [seconds[each] for each in sorted(seconds)][int(STEADY) : int(STEADY + MINUTE)]
    print(f"{statistics.mean(full):.0f}/s in the mean, {min(full)} to {max(full)} in a second")  # noqa: T201
    assert max(seconds.values()) <= HIGH * 1.05
    assert statistics.mean(full) >= LEAST
