"""The state directory of one stack: its secrets, its ports, what runs, its logs; only one supervisor at a time.

stack.json      what a program needs to talk to the running stack; there only while it runs
secrets.json    generated once: app secret, keys, encryption key ring, the stack's own tenant
ports.json      the port of every process, so that a restart finds the same one
options.json    how many servers there are, and whether they are secured: what their data was made for
processes.json  pid and start time of what was started, so that a later run can clear away what a crash left
lock            held by the supervisor as long as it lives
control.sock    where the supervisor takes orders
kafka/ kafka-2/ mongod/ mongod-2/ sandbox/ tls/ logs/
"""

import base64
import contextlib
import fcntl
import json
import os
import secrets
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from deploy.local.errors import StackRefused
from deploy.local.ports import free_port, is_free
from deploy.local.processes import Identity

BETWEEN_LOOKS = 0.05  # seconds between tries to get the lock of a stack that is stopping
OURS = ("kafka", "kafka-2", "kafka-3", "mongod", "mongod-2", "mongod-3", "sandbox", "tls", "logs")
LIGHTEST = {"secure": False, "brokers": 1, "members": 1}
OUR_FILES = ("stack.json", "secrets.json", "ports.json", "options.json", "processes.json", "lock", "control.sock")


class StateDirectory:
    """Paths and small files of one stack."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.logs = self.root / "logs"
        self.control = self.root / "control.sock"

    def log(self, name: str) -> Path:
        """Return the path of a process's log."""
        return self.logs / f"{name}.log"

    def make(self) -> None:
        """Make the directory, for its owner only; raises StackRefused when that cannot be."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self.root.chmod(0o700)
            self.logs.mkdir(exist_ok=True)
        except OSError as error:
            raise StackRefused(f"cannot keep the stack's state in {self.root}: {error.strerror}") from error

    # -- one supervisor at a time

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the directory's lock; raises StackRefused when another supervisor has it."""
        with (self.root / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise StackRefused(f"a stack already runs in {self.root}: `wabus status`, or stop it first") from None
            yield

    def in_use(self) -> bool:
        """Tell whether a supervisor lives in this directory."""
        try:
            with (self.root / "lock").open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False

    def wait_until_free(self, seconds: float) -> bool:
        """Wait until no supervisor lives here; tell whether that came true in time."""
        deadline = time.monotonic() + seconds
        while self.in_use():
            if time.monotonic() > deadline:
                return False
            time.sleep(BETWEEN_LOOKS)
        return True

    # -- what a program needs to know

    def stack(self) -> dict[str, Any] | None:
        """Return what `stack.json` says, or None where no stack runs."""
        return self._read("stack.json")

    def write_stack(self, stack: dict[str, Any]) -> None:
        """Replace `stack.json` at once."""
        self._write("stack.json", stack)

    def forget_stack(self) -> None:
        """Say that nothing runs here any more."""
        for name in ("stack.json", "processes.json", "control.sock"):
            (self.root / name).unlink(missing_ok=True)

    def identities(self) -> list[Identity]:
        """Return the processes that the last run started."""
        return [Identity(**row) for row in (self._read("processes.json") or {}).values()]

    def write_identities(self, identities: dict[str, Identity]) -> None:
        """Remember who was started."""
        self._write("processes.json", {name: identity.as_json() for name, identity in identities.items()})

    # -- what outlives a run

    def secrets(self) -> dict[str, str]:
        """Return this stack's secrets, made at the first call."""
        known = self._read("secrets.json") or {}
        made = {name: make() for name, make in _SECRETS.items() if name not in known}
        if made:
            self._write("secrets.json", known | made)
        return known | made

    def add_secrets(self, more: dict[str, str]) -> None:
        """Keep further secrets beside the generated ones."""
        self._write("secrets.json", self.secrets() | more)

    def ports(self, names: list[str], fixed: dict[str, int]) -> dict[str, int]:
        """Return a port for each name: the fixed one, or the one of last time while it is free, or a new one.

        Raises StackRefused when a fixed port is busy.
        """
        known = self._read("ports.json") or {}
        chosen: dict[str, int] = {}
        for name in names:
            port = fixed.get(name) or known.get(name)
            if name in fixed and not is_free(fixed[name]):
                raise StackRefused(f"port {fixed[name]} for {name} is taken by another program: choose another one")
            if port is None or port in chosen.values() or not is_free(port):
                port = free_port({*known.values(), *chosen.values(), *fixed.values()})
            chosen[name] = port
        self._write("ports.json", known | chosen)
        return chosen

    def kept_options(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return the options that the data was made with, kept since the first start; `asked` decides that one.

        Raises StackRefused where something else is asked of data that is there.
        """
        if any((self.root / name).exists() for name in ("kafka", "mongod")):
            known = LIGHTEST | (self._read("options.json") or {})  # data without it is from before there was a choice
        else:
            known = LIGHTEST | asked
        for name, value in asked.items():
            if known[name] != value:
                raise StackRefused(
                    f"the servers in {self.root} were made with {name}={known[name]}: leave the option out, "
                    "take another --state, or `wabus down --wipe` first"
                )
        self._write("options.json", known)
        return known

    def wipe(self) -> None:
        """Remove what is ours and nothing else; the directory too once it is empty."""
        for name in OURS:
            shutil.rmtree(self.root / name, ignore_errors=True)
        for name in OUR_FILES:
            (self.root / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.root.rmdir()

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            found = json.loads((self.root / name).read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise StackRefused(f"{self.root / name} cannot be read: {error}") from error
        return found if isinstance(found, dict) else None

    def _write(self, name: str, content: dict[str, Any]) -> None:
        # A new file that takes the old one's name: a reader, and a crash, see either the old or the new whole.
        fresh = self.root / f".{name}.new"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(content, file, indent=2)
        fresh.replace(self.root / name)


# Meta's app ids are digits; the key ring is `id:base64 of 32 bytes`.
_SECRETS: dict[str, Callable[[], str]] = {
    "app_id": lambda: str(secrets.randbelow(9 * 10**14) + 10**14),
    "app_secret": lambda: secrets.token_hex(16),
    "verify_token": lambda: secrets.token_urlsafe(24),
    "encryption_keys": lambda: "k1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
    "internal_secret": lambda: secrets.token_hex(32),
    "log_hash_key": lambda: secrets.token_hex(32),
    "kafka_password": lambda: secrets.token_hex(32),
    "mongo_password": lambda: secrets.token_hex(32),
    "kafka_cluster": lambda: base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="),
}
