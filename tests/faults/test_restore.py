"""Restoring what was backed up: MongoDB from a copy, or everything but MongoDB."""

import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.faults.campaigns import Campaign
from tests.faults.ledgers import Ledgers
from tests.faults.scenarios import PEOPLE as EVERYBODY
from tests.faults.scenarios import QUICK
from tests.faults.workload import Outcome
from tests.support.running import WABUS, Number, Stack, running_stack, until

pytestmark = pytest.mark.long

PEOPLE = EVERYBODY[:12]
AUDIENCE = [f"4917{i:08d}" for i in range(600)]
RATE = 40  # messages a second: the campaign is in its middle for as long as stopping and starting take
AT_ONCE = {"sent": 0.01, "delivered": 0.01, "read": 0.01, "answer": 0.01, "read_share": 0.0, "seed": 1}


@pytest.fixture
def stack() -> Iterator[Stack]:
    with running_stack(**QUICK) as running:
        running.box("PUT", "/timing", AT_ONCE)
        yield running


def stop(stack: Stack) -> None:
    """Stop everything, and keep the data."""
    subprocess.run([WABUS, "down", "--state", str(stack.directory)], capture_output=True, timeout=90, check=True)


def send_to_all(number: Number, text: str) -> list[str]:
    return [str(number.send(who, text).json()["id"]) for who in PEOPLE]


def arrived(stack: Stack, ids: list[str]) -> Counter[str]:
    wanted = set(ids)
    return Counter(it["biz_opaque_callback_data"] for it in stack.sends() if it["biz_opaque_callback_data"] in wanted)


def all_are(stack: Stack, ids: list[str], status: str) -> None:
    until(lambda: all(stack.message(each)["status"] == status for each in ids), f"all are {status}", 60, 0.5)


def funnel(stack: Stack) -> dict[str, Any]:
    found: dict[str, Any] = stack.call("GET", "/analytics/funnel").json()
    return {name: found[name] for name in ("sent", "delivered")}


def test_what_went_out_after_the_backup_is_not_sent_again_from_it(stack: Stack) -> None:
    """The steps of deploy/operating.md: without the sender, read the webhooks since then again, then the sender."""
    number = stack.connect(throughput=1000)
    number.open_windows(PEOPLE)
    early = send_to_all(number, "before")
    all_are(stack, early, "delivered")
    stack.cli("stop", "sender")
    queued = send_to_all(number, "in the queue")
    stop(stack)
    taken_at, data = datetime.now(UTC).isoformat(), stack.directory / "mongod"
    shutil.copytree(data, stack.directory / "backup")
    stack.up()
    all_are(stack, queued, "delivered")
    until(lambda: funnel(stack) == {"sent": 24, "delivered": 24}, "all are counted", 30, 0.5)
    stop(stack)
    shutil.rmtree(data)
    shutil.copytree(stack.directory / "backup", data)
    stack.up("--without", "sender")
    assert {stack.message(each)["status"] for each in queued} == {"queued"}
    stack.cli("replay", "webhooks", "--from", taken_at)
    all_are(stack, queued, "delivered")
    stack.restart("sender")
    late = send_to_all(number, "after")
    all_are(stack, late, "delivered")
    Ledgers(stack).await_quiet(Outcome(0), 60)  # whatever the sweeper would send again has been sent by then
    assert set(arrived(stack, early + queued + late).values()) == {1}
    until(lambda: funnel(stack) == {"sent": 36, "delivered": 36}, "all are counted again, once", 30, 0.5)


def test_a_campaign_that_ran_when_the_copy_was_taken_writes_to_nobody_twice(stack: Stack) -> None:
    """The steps of deploy/operating.md: whom it reached since the copy is pending in it, and has no message there."""
    campaign = Campaign(stack, AUDIENCE, RATE)
    until(lambda: campaign.delivered() >= 50, "it runs", 60)
    stop(stack)
    taken_at, data = datetime.now(UTC), stack.directory / "mongod"
    shutil.copytree(data, stack.directory / "backup")
    stack.up()
    until(lambda: campaign.delivered() >= 250, "it goes on", 60)
    stack.cli("stop", "sender")
    sent = len(stack.sends())
    until(lambda: campaign.delivered() == sent, "Meta told of all that were sent", 60)
    assert 250 <= sent < len(AUDIENCE), "the disaster comes in its middle"
    stop(stack)
    shutil.rmtree(data)
    shutil.copytree(stack.directory / "backup", data)
    stack.environment["WABUS_CAMPAIGNS_AHEAD"] = "P1D"
    stack.up("--without", "sender")
    assert campaign.delivered() < sent, "the copy is from before"
    until(lambda: not campaign.read()["counts"]["pending"], "all have their message", 60, 0.5)
    stack.cli("replay", "webhooks", "--from", (taken_at - timedelta(minutes=5)).isoformat())
    until(lambda: campaign.delivered() == sent, "it is known who was reached", 60, 0.5)
    stack.restart("sender")
    campaign.check(120)
    Ledgers(stack).await_quiet(Outcome(0), 60)
    assert len(stack.sends()) == len(AUDIENCE)
    everybody = {"sent": len(AUDIENCE), "delivered": len(AUDIENCE)}
    until(lambda: funnel(stack) == everybody, "all are counted, once", 30, 0.5)


def test_without_anything_that_was_in_kafka_what_was_accepted_is_sent_and_counted(stack: Stack) -> None:
    number = stack.connect(throughput=1000)
    number.open_windows(PEOPLE)
    early = send_to_all(number, "before")
    all_are(stack, early, "delivered")
    until(lambda: funnel(stack) == {"sent": 12, "delivered": 12}, "all are counted", 30, 0.5)
    stack.cli("stop", "sender")
    queued = send_to_all(number, "in the queue")
    stop(stack)
    shutil.rmtree(stack.directory / "kafka")
    stack.up()
    all_are(stack, queued, "delivered")
    late = send_to_all(number, "after")
    all_are(stack, late, "delivered")
    assert set(arrived(stack, early + queued + late).values()) == {1}
    until(lambda: funnel(stack) == {"sent": 36, "delivered": 36}, "all are counted", 30, 0.5)
