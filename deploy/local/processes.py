"""One process of the stack: started so that it dies with us, known by pid and start time, stopped within a bound."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from deploy.local.errors import NotReadyInTime, ProcessDied

POLL = 0.05  # seconds between looks at a process that is awaited: start and stop take tenths of a second to seconds
START_TIME_SLACK = 0.02  # seconds: the kernel counts a start time in hundredths
LAST_BYTES = 16_000  # of a log that are read to say why its process died: mongod says goodbye at length
SIGNS = ("cannot start: ", '"s":"F"', '"s":"E"', " ERROR ")  # of our services, of mongod (fatal, error), of Kafka
_PR_SET_PDEATHSIG = 1  # of prctl(2)
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells a process from a stranger that got its pid later."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> "Identity":
        """Read it from the system; raises psutil.NoSuchProcess."""
        return cls(pid, psutil.Process(pid).create_time())

    def process(self) -> psutil.Process | None:
        """Return the living process, or None where it is gone or its pid belongs to another by now."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) <= START_TIME_SLACK
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None

    def as_json(self) -> dict[str, Any]:
        """Return it as it is kept in a file."""
        return asdict(self)


class Running:
    """A child process of ours, with its log."""

    def __init__(self, name: str, child: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.log = log
        self.child = child
        self.identity = Identity.of(child.pid)

    @property
    def pid(self) -> int:
        """Return its process id."""
        return self.child.pid

    def alive(self) -> bool:
        """Tell whether it still runs; reaps it if not."""
        return self.child.poll() is None

    def check_alive(self) -> None:
        """Raise ProcessDied with the last thing it said if it has ended."""
        if not self.alive():
            raise ProcessDied(f"{self.name} ended with code {self.child.returncode}: {last_words(self.log)}")

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until `ready`; raises ProcessDied or NotReadyInTime."""
        deadline = time.monotonic() + seconds
        while not ready():
            self.check_alive()
            if time.monotonic() > deadline:
                raise NotReadyInTime(f"{self.name} was not ready after {seconds:.0f} s: see {self.log}")
            time.sleep(POLL)

    def stop(self, seconds: float) -> bool:
        """Ask it to stop, kill it after `seconds`; tell whether asking was enough."""
        if not self.alive():
            return True
        ask_to_stop(self.child.pid)
        try:
            self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            return False
        return True


def server_name(kind: str, number: int) -> str:
    """Return the name of the `number`-th process of a kind: `kafka`, `kafka-2`."""
    return kind if number == 1 else f"{kind}-{number}"


def spawn(name: str, command: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path) -> Running:
    """Start a process in `folder`, its output appended to `log`, in a session of its own.

    On Linux it gets SIGTERM when the thread that started it ends, so nothing is left running when we are killed.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        child = subprocess.Popen(  # noqa: S603 - the commands are our own, never a user's text
            list(command),
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent if _libc is not None else None,
        )
    return Running(name, child, log)


def _die_with_parent() -> None:
    assert _libc is not None  # noqa: S101 - for the type checker: only used where it is there
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def ask_to_stop(pid: int) -> None:
    """Send SIGTERM, and SIGCONT in case the process is stopped and could not hear it."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGCONT)


def stop_strangers(identities: Sequence[Identity], seconds: float) -> int:
    """Stop processes that an earlier run left behind and return how many there were; never one that is not ours."""
    left = [process for identity in identities if (process := identity.process()) is not None]
    for process in left:
        ask_to_stop(process.pid)
    _, stubborn = psutil.wait_procs(left, timeout=seconds)
    for process in stubborn:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(stubborn, timeout=seconds)
    return len(left)


def wait_until_gone(identity: Identity, seconds: float) -> bool:
    """Wait until the process has ended; tell whether it has."""
    process = identity.process()
    return process is None or process in psutil.wait_procs([process], timeout=seconds)[0]


def last_words(log: Path) -> str:
    """Return the line of a log that most likely says why its process died, for a sentence about it."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LAST_BYTES))
            lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    except OSError:
        lines = []
    lines = [line for line in lines if not line.startswith("at ")]  # Java's traces end with their least telling lines
    telling = [line for line in lines if any(sign in line for sign in SIGNS)] or lines
    return telling[-1].removeprefix("cannot start: ")[:500] if telling else "it said nothing"
