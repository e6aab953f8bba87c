"""Faults on a schedule, played on a running stack while it works."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from aiokafka import TopicPartition  # type: ignore[import-untyped]
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete  # type: ignore[import-untyped]

from libs.events.topics import OUTBOUND_BULK, OUTBOUND_INTERACTIVE
from libs.kafka.group import COMMIT_EVERY
from tests.faults.dying import MOMENTS
from tests.faults.ledgers import Ledgers
from tests.faults.workload import Outcome, Workload
from tests.support.running import Number, Stack, until

# Short leases and waits, so that a reconcile takes seconds. The relations are those of the defaults: W is longer than
# the gap after which the sandbox posts a webhook again.
QUICK = {
    "WABUS_EDGE_FIRST_LOOK": "PT5S",
    "WABUS_SENDER_LEASE": "PT4S",
    "WABUS_SENDER_RECONCILE_WAIT": "PT6S",
    "WABUS_SENDER_LOOK_EVERY": "PT0.5S",
    "WABUS_SENDER_SESSION_TIMEOUT": "PT6S",
    "WABUS_TRACKER_SESSION_TIMEOUT": "PT6S",
    "WABUS_CAMPAIGNS_SESSION_TIMEOUT": "PT6S",
    "WABUS_ANALYTICS_SESSION_TIMEOUT": "PT6S",
    "WABUS_CAMPAIGNS_AHEAD": "PT1S",  # so that a fan-out is in the middle of its work for as long as it sends
    "WABUS_EDGE_KEY_RATE": "100000",
    "WABUS_EDGE_TENANT_RATE": "100000",
}
PEOPLE = [f"1555000{i:04d}" for i in range(160)]


def ready(stack: Stack, numbers: int = 2, people: list[str] = PEOPLE) -> list[Number]:
    """Connect numbers and open the windows of all people."""
    connected = [stack.connect(throughput=1000) for _ in range(numbers)]
    for number in connected:
        number.open_windows(people)
    return connected


def kill_and_restart(stack: Stack, name: str) -> None:
    """kill -9 a process and start it again."""
    stack.kill(name)
    stack.restart(name)


def await_progress(workload: Workload, messages: int) -> None:
    """Wait until the workload has so many accepted messages."""
    until(lambda: workload.sent >= messages, f"{messages} accepted", 120)


def usual_faults(stack: Stack) -> None:
    """What a bad day of Meta's and the network's looks like: lost answers, webhooks doubled, shuffled and early."""
    stack.box("POST", "/faults", {"kind": "accept_then_reset", "share": 0.02})
    stack.box("POST", "/faults", {"kind": "webhooks_doubled", "share": 0.2})
    stack.box("POST", "/faults", {"kind": "webhooks_shuffled", "share": 0.1})
    stack.box("POST", "/faults", {"kind": "webhooks_early", "share": 0.1})


def die(stack: Stack, moment: str, after: int = 1, seconds: float = 60.0) -> None:
    """Let a service kill itself at a moment of a message's way, then start the real one again.

    Its stand-in runs in the service's own environment until it dies.
    """
    service = MOMENTS[moment][0]
    environment = environment_of(stack.info["pids"][service])
    stack.cli("stop", service)
    log = open(Path(stack.directory) / "logs" / "dying.log", "ab")  # noqa: SIM115  # the child's
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.dying", moment, str(after)],
        env=environment, stdout=log, stderr=log, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    try:
        code = child.wait(seconds)
    finally:
        child.kill()
        child.wait()
        log.close()
        stack.restart(service)
    assert code == -9, f"{service} ended with {code} instead of dying {moment}"


def environment_of(pid: int) -> dict[str, str]:
    """Return the environment that a process was started with."""
    raw = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    pairs = (entry.decode().partition("=") for entry in raw if entry)
    return {name: value for name, _, value in pairs} | {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}


def freeze(stack: Stack, name: str, seconds: float) -> None:
    """Stop a process (SIGSTOP) for a while, then let it go on."""
    stack.signal(name, signal.SIGSTOP)
    time.sleep(seconds)
    stack.signal(name, signal.SIGCONT)


def close_the_door(stack: Stack, seconds: float) -> None:
    """Leave Meta nobody to tell anything to for a while: edge is down."""
    stack.cli("stop", "edge")
    time.sleep(seconds)
    stack.restart("edge")


def settle(stack: Stack, workload: Workload, quiet: float) -> Outcome:
    """Wait until all is posted and has come to its end, then compare the ledgers."""
    outcome = workload.finish()
    ledgers = Ledgers(stack)
    ledgers.await_quiet(outcome, quiet)
    ledgers.check(outcome)
    return outcome


def tracker_killed_while_mongod_hangs(stack: Stack, messages: int, quiet: float) -> None:
    """kill -9 the tracker while it holds fetched webhooks that it cannot apply: it must not have committed them."""
    workload = Workload(stack, ready(stack), PEOPLE)
    workload.start(messages, per_second=100)
    await_progress(workload, messages // 3)
    stack.signal("mongod", signal.SIGSTOP)
    time.sleep(1.5 * COMMIT_EVERY)  # there is a commit in between
    stack.kill("tracker")
    stack.signal("mongod", signal.SIGCONT)
    stack.restart("tracker")
    settle(stack, workload, quiet)


def sender_wakes_up_with_slots(stack: Stack, messages: int, quiet: float) -> None:
    """Freeze one of two senders while messages wait for slots in it, until the other one has sent them."""
    numbers = [stack.connect(throughput=20) for _ in range(4)]
    for number in numbers:
        number.open_windows(PEOPLE[:40])
    workload = Workload(stack, numbers, PEOPLE[:40])
    workload.start(messages)
    await_progress(workload, messages // 2)
    freeze(stack, "sender", 14.0)  # more than two sessions of 6 s, less than what waits in its lanes
    settle(stack, workload, quiet)


def topics_emptied(stack: Stack, messages: int, quiet: float) -> None:
    """Delete every wake-up while no sender runs."""
    numbers = ready(stack)
    stack.cli("stop", "sender")
    workload = Workload(stack, numbers, PEOPLE)
    workload.start(messages)
    workload.finish()
    asyncio.run(_empty(stack.info["kafka"], [OUTBOUND_INTERACTIVE, OUTBOUND_BULK]))
    stack.restart("sender")
    settle(stack, workload, quiet)


def statuses_shuffled(stack: Stack, messages: int, quiet: float) -> None:
    """Statuses in any order and twice."""
    stack.box("POST", "/faults", {"kind": "webhooks_shuffled", "share": 0.5})
    stack.box("POST", "/faults", {"kind": "webhooks_doubled", "share": 0.5})
    workload = Workload(stack, ready(stack), PEOPLE)
    workload.start(messages, per_second=100)
    settle(stack, workload, quiet)


def tracker_dies_before_telling(stack: Stack, messages: int, quiet: float) -> None:
    """The tracker dies between the ledger's move and the event, several times."""
    workload = Workload(stack, ready(stack), PEOPLE)
    workload.start(messages, per_second=20)
    for _ in range(3):
        die(stack, "between ledger move and event")
    workload.stopped.set()
    settle(stack, workload, quiet)


def mongod_killed_at_full_speed(stack: Stack, messages: int, quiet: float) -> None:
    """kill -9 mongod while accepts go as fast as they can."""
    workload = Workload(stack, ready(stack), PEOPLE)
    workload.start(messages)
    for share in (4, 2):
        await_progress(workload, messages // share)
        kill_and_restart(stack, "mongod")
    settle(stack, workload, quiet)


async def _empty(bootstrap: str, topics: list[str]) -> None:
    """Delete every record of the topics, as an operator's mistake or a lost disk would."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        described = await admin.describe_topics(topics)
        partitions = [
            TopicPartition(topic["topic"], part["partition"]) for topic in described for part in topic["partitions"]
        ]
        await admin.delete_records({part: RecordsToDelete(before_offset=-1) for part in partitions})
    finally:
        await admin.close()
