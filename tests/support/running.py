"""A whole stack for tests, started by `wabus up`, seen as a client, Meta or the operating system could see it."""

import concurrent.futures
import contextlib
import hashlib
import hmac
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

API = "/api/v1/whatsapp"
WABUS = Path(sys.executable).with_name("wabus")
UP_WITHIN = 240.0  # seconds: a first start fetches Kafka
DEADLINE = 30.0  # seconds that anything awaited may take where the test does not say otherwise


class Stack:
    """A running stack: its API, the sandbox's control side, its processes."""

    def __init__(self, directory: Path, environment: Mapping[str, str] | None = None) -> None:
        self.directory = directory
        self.environment = dict(environment or {})
        self.info: dict[str, Any] = {}
        self.http = httpx.Client(timeout=30.0, trust_env=False)

    # -- life

    def up(self, *options: str) -> None:
        """Start it and read where everything is."""
        self.cli("up", "--detach", *options, timeout=UP_WITHIN)

    def down(self) -> None:
        """Stop everything and wipe its data."""
        self.http.close()
        command = [str(WABUS), "down", "--wipe", "--state", str(self.directory)]
        subprocess.run(command, capture_output=True, timeout=90, check=False)

    def cli(self, *arguments: str, timeout: float = 120) -> str:
        """Run `wabus` on this stack and return what it printed; AssertionError with its last words when it fails."""
        done = subprocess.run(
            [WABUS, *arguments, "--state", str(self.directory)],
            capture_output=True, text=True, timeout=timeout, env={**os.environ, **self.environment}, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"wabus {' '.join(arguments)}: {(done.stdout + done.stderr)[-2000:]}"
        self.info = self.state()
        return done.stdout

    def state(self) -> dict[str, Any]:
        """Return what the stack's own file says of it."""
        found: dict[str, Any] = json.loads((self.directory / "stack.json").read_text())
        return found

    def kill(self, name: str) -> None:
        """kill -9 a process of the stack."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.info["pids"][name], signal.SIGKILL)

    def restart(self, name: str) -> None:
        """Start a process (again)."""
        self.cli("restart", name)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process of the stack."""
        os.kill(self.info["pids"][name], number)

    # -- HTTP

    @property
    def key(self) -> str:
        """The stack's own key: read, write, send."""
        return str(self.info["api_key"])

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = "",
        headers: Mapping[str, str] | None = None,
        raw: bytes | None = None,
    ) -> httpx.Response:
        """Call the API; `key` None sends none."""
        sent = dict(headers or {})
        if key is not None:
            sent["Authorization"] = f"Bearer {key or self.key}"
        if raw is not None:
            sent.setdefault("Content-Type", "application/json")
            return self.http.request(method, self.info["edge"] + API + path, content=raw, headers=sent)
        return self.http.request(method, self.info["edge"] + API + path, json=body, headers=sent)

    def box(self, method: str, path: str, body: Any = None) -> Any:
        """Make a control call of the sandbox that must succeed."""
        answer = self.http.request(method, f"{self.info['sandbox']}/_sandbox{path}", json=body)
        assert answer.status_code == 200, f"{method} {path}: {answer.status_code} {answer.text[:300]}"
        return answer.json()

    def webhook(
        self, raw: bytes, signature: str | None = None, path: str = "/webhooks/whatsapp", **headers: str
    ) -> httpx.Response:
        """Post a body to Meta's webhook, signed unless a signature is given."""
        if signature is None:
            signature = "sha256=" + hmac.new(self.info["app_secret"].encode(), raw, hashlib.sha256).hexdigest()
        return self.http.post(
            self.info["edge"] + path, content=raw, headers={"X-Hub-Signature-256": signature, **headers}
        )

    # -- what a story needs

    def connect(self, **wish: Any) -> "Number":
        """Make an account in the sandbox and connect it by hand."""
        made = self.box("POST", "/accounts", wish)
        number = made["phone_numbers"][0]["phone_number_id"]
        answer = self.call(
            "POST", "/onboarding/manual",
            {"waba_id": made["waba_id"], "phone_number_id": number, "access_token": made["access_token"]},
        )  # fmt: skip
        assert answer.status_code == 201, answer.text
        return Number(self, made["waba_id"], number, made)

    def message(self, message_id: str) -> dict[str, Any]:
        """Read a message."""
        answer = self.call("GET", f"/messages/{message_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def sends(self, after: int = 0) -> list[dict[str, Any]]:
        """Return the sandbox's accepted log after a sequence number."""
        rows: list[dict[str, Any]] = []
        while page := self.box("GET", f"/sends?limit=1000&after={after}")["data"]:
            rows += page
            after = page[-1]["seq"]
        return rows

    def metric(self, service: str, name: str) -> float:
        """Return the sum of a metric's samples of a service."""
        text = self.http.get(self.info["metrics"][service]).text
        lines = [line for line in text.splitlines() if line.startswith((name + "{", name + " "))]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


class Number:
    """A connected number."""

    def __init__(self, stack: Stack, waba_id: str, phone_number_id: str, made: dict[str, Any]) -> None:
        self.stack, self.waba_id, self.id, self.made = stack, waba_id, phone_number_id, made

    def hears(self, user: str, text: str = "hi") -> None:
        """A user writes to the number: this opens the customer service window."""
        body = {"phone_number_id": self.id, "from": user, "type": "text", "text": {"body": text}}
        self.stack.box("POST", "/inbound", body)

    def open_windows(self, users: Sequence[str]) -> None:
        """Have users write, and wait until their windows are open."""
        for user in users:
            self.hears(user)
        until(lambda: self._inbound() >= len(users), "the windows are open", 60)

    def _inbound(self) -> int:
        count, after = 0, ""
        while True:
            path = f"/messages?direction=inbound&phone_number_id={self.id}&limit=100{after}"
            page = self.stack.call("GET", path).json()
            count += len(page["data"])
            if not page["has_more"]:
                return count
            after = f"&starting_after={page['data'][-1]['id']}"

    def send(self, user: str, text: str = "hello", **headers: str) -> httpx.Response:
        """Send a text through the API."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        body = {"phone_number_id": self.id, "to": f"+{user}", "text": text}
        return self.stack.call("POST", "/messages", body, headers=named)

    def reaches(self, message_id: str, *statuses: str, seconds: float = DEADLINE) -> dict[str, Any]:
        """Wait until a message has one of the statuses, and return it."""
        wanted = statuses or ("delivered", "read")
        reached: dict[str, Any] = until(
            lambda: found if (found := self.stack.message(message_id))["status"] in wanted else None,
            f"{message_id} is {' or '.join(wanted)}", seconds,
        )  # fmt: skip
        return reached


def until(
    condition: Callable[[], Any], what: str = "it holds", seconds: float = DEADLINE, step: float = 0.05,
    seen: Callable[[], object] = lambda: "",
) -> Any:  # fmt: skip
    """Return the condition's first true value; AssertionError at the deadline, with what was `seen` then."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {seconds} s: {what} {seen()}"
        time.sleep(step)
    return value


@contextlib.contextmanager
def running_stack(*options: str, **environment: str) -> Iterator[Stack]:
    """Run a stack in a directory of its own; the settings given are its services' environment."""
    directory = Path(tempfile.mkdtemp(prefix="wabus-stack-"))
    stack = Stack(directory, environment)
    try:
        stack.up(*options)
        yield stack
    finally:
        stack.down()
        shutil.rmtree(directory, ignore_errors=True)


def parallel_calls(count: int, call: Callable[[], httpx.Response]) -> list[httpx.Response]:
    """Make the same call many times at once."""
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return [each.result() for each in [pool.submit(call) for _ in range(count)]]
