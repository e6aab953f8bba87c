"""An earlier version out of the project's history, run as a stack, and today's processes in the places of its own."""

import contextlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx

from tests.faults.scenarios import environment_of
from tests.support.running import UP_WITHIN, Stack, until

ROOT = Path(__file__).parents[2]
# What is upgraded from: the last one before migrations, audit, traces and dead letters by REST. A release takes its
# place once there is one.
EARLIER = "9d72d42"
STOPS_WITHIN = 40.0  # seconds: more than the bounded stop of a service


def earlier_code(folder: Path) -> Path:
    """Put the earlier version's files into a folder."""
    git = shutil.which("git") or "/usr/bin/git"
    done = subprocess.run([git, "archive", "--format=tar", EARLIER], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, (
        f"this test runs commit {EARLIER} beside today's, so it needs git and a clone with the project's whole "
        f"history: {done.stderr.decode()[-300:]}"
    )
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as files:
        files.extractall(folder, filter="data")
    return folder


class EarlierStack(Stack):
    """A stack of the earlier version, called through an address of the test's, behind which both versions answer."""

    def __init__(self, directory: Path, code: Path, door: str, environment: Mapping[str, str]) -> None:
        super().__init__(directory, environment)
        self.code, self.door = code, door

    def cli(self, *arguments: str, timeout: float = 120) -> str:
        """Run the earlier version's `wabus`."""
        done = self._wabus(*arguments, timeout=timeout)
        assert done.returncode == 0, f"wabus {' '.join(arguments)}: {(done.stdout + done.stderr)[-2000:]}"
        self.info = self.state() | {"edge": self.door}
        return done.stdout

    def down(self) -> None:
        """Stop everything of the earlier version, and wipe its data."""
        self.http.close()
        self._wabus("down", "--wipe", timeout=90)

    def _wabus(self, *arguments: str, timeout: float) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "services.console", *arguments, "--state", str(self.directory)], cwd=self.code,
            capture_output=True, text=True, timeout=timeout, check=False,
            env={**os.environ, **self.environment, "PYTHONPATH": str(self.code)},
        )  # fmt: skip


@contextlib.contextmanager
def earlier_stack(door: str, *options: str, **environment: str) -> Iterator[EarlierStack]:
    """Run a stack of the earlier version."""
    folder = Path(tempfile.mkdtemp(prefix="wabus-earlier-"))
    (folder / "code").mkdir()
    try:
        stack = EarlierStack(folder / "state", earlier_code(folder / "code"), door, environment)
        try:
            stack.cli("up", "--detach", *options, timeout=UP_WITHIN)
            yield stack
        finally:
            stack.down()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Takeover:
    """Puts today's processes in the places of the earlier version's, one by one, as an upgrade does."""

    def __init__(self, stack: EarlierStack) -> None:
        self.stack = stack
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def jobs(self) -> None:
        """Run what goes before the services: topics, then migrations."""
        environment = self._environment("sender")
        nowhere = str(self.stack.directory / "none")
        for command in (["deploy.local.topics"], ["services.console", "migrate", "--state", nowhere]):
            done = subprocess.run(
                [sys.executable, "-m", *command], cwd=ROOT, env=environment, capture_output=True, text=True,
                timeout=120, check=False,
            )  # fmt: skip
            assert done.returncode == 0, f"{command}: {(done.stdout + done.stderr)[-2000:]}"

    def takes(self, name: str) -> None:
        """Stop a process and start today's in its place, at its address; wait until it is ready."""
        environment = self._environment(name)
        pid = self.stack.info["pids"][name]
        assert Path(f"/proc/{pid}/cwd").resolve() == self.stack.code.resolve(), f"{name} is of the earlier version"
        self.stack.cli("stop", name)
        with (self.stack.directory / "logs" / f"{name}-today.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", f"services.{name.partition('-')[0]}"],
                cwd=ROOT, env=environment, stdout=log, stderr=log,
            )  # fmt: skip
        until(lambda: self._ready(name), f"today's {name} is ready", 60, 0.2)

    def stop(self) -> None:
        """Stop them all."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOPS_WITHIN)
            process.kill()
            process.wait()

    def _environment(self, name: str) -> dict[str, str]:
        return environment_of(self.stack.info["pids"][name]) | {"PYTHONPATH": ""}

    def _ready(self, name: str) -> bool:
        assert self.processes[name].poll() is None, (self.stack.directory / "logs" / f"{name}-today.log").read_text()[
            -2000:
        ]
        with contextlib.suppress(httpx.HTTPError):
            base = self.stack.info["metrics"][name].removesuffix("/metrics")
            return self.stack.http.get(f"{base}/readyz").status_code == 200
        return False
