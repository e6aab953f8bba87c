"""Faults on a schedule, played on a running stack while it works."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.faults.dying import MOMENTS
from tests.faults.workload import Workload
from tests.support.running import Number, Stack, until

# Short leases and waits, so that a reconcile takes seconds. The relations are those of the defaults.
QUICK = {
    "WABUS_EDGE_FIRST_LOOK": "PT5S",
    "WABUS_SENDER_LEASE": "PT4S",
    "WABUS_SENDER_RECONCILE_WAIT": "PT3S",
    "WABUS_SENDER_LOOK_EVERY": "PT0.5S",
    "WABUS_SENDER_SESSION_TIMEOUT": "PT6S",
    "WABUS_TRACKER_SESSION_TIMEOUT": "PT6S",
    "WABUS_EDGE_KEY_RATE": "100000",
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


def die(stack: Stack, moment: str, after: int, seconds: float = 60.0) -> None:
    """Let a service kill itself at a moment of a message's way, then start the real one again.

    Its stand-in runs in the service's own environment until it dies.
    """
    service = MOMENTS[moment][0]
    environment = _environment(stack.info["pids"][service])
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


def _environment(pid: int) -> dict[str, str]:
    raw = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    pairs = (entry.decode().partition("=") for entry in raw if entry)
    return {name: value for name, _, value in pairs} | {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}


def freeze(stack: Stack, name: str, seconds: float) -> None:
    """Stop a process (SIGSTOP) for a while, then let it go on."""
    stack.signal(name, signal.SIGSTOP)
    time.sleep(seconds)
    stack.signal(name, signal.SIGCONT)
