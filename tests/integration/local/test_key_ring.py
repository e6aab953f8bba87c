"""A key leaves the ring of a running platform: nothing that was encrypted with it is lost, and everything goes on."""

import base64
import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.faults.scenarios import QUICK
from tests.support.receiver import Customer, new_customer, receiving
from tests.support.running import WABUS, Stack, running_stack, until

A, B, C = (f"{name}:{base64.b64encode(os.urandom(32)).decode()}" for name in "ABC")
RING = "WABUS_ENCRYPTION_KEYS"
PERSON = "15550007777"


def restarted_with(stack: Stack, ring: str) -> None:
    """Start all services again, on the same data, with another ring."""
    down = [str(WABUS), "down", "--state", str(stack.directory)]
    subprocess.run(down, capture_output=True, timeout=120, check=True)
    stack.environment[RING] = ring
    stack.up()


def keyring(stack: Stack, *words: str, ring: str | None = None) -> tuple[int, dict[str, Any]]:
    """Run `wabus keyring`; -> its exit code and what it says."""
    environment = {**os.environ, **stack.environment} | ({RING: ring} if ring else {})
    command = [str(WABUS), "keyring", *words, "--json", "--state", str(stack.directory)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, found


@contextmanager
def working(*works: Callable[[], None]) -> Iterator[list[str]]:
    """Do each of these again and again meanwhile; -> what went wrong."""
    stop, wrong = threading.Event(), []

    def again(work: Callable[[], None]) -> None:
        while not stop.is_set():
            try:
                work()
            except Exception as error:
                wrong.append(repr(error)[:300])

    threads = [threading.Thread(target=again, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield wrong
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)


class World:
    """A customer with one of everything that is kept encrypted."""

    def __init__(self, stack: Stack, customer: Customer) -> None:
        self.stack, self.customer = stack, customer
        self.endpoint = customer.listens("/hook")
        self.secret = self.endpoint["secret"]
        self.sent: list[str] = []
        self.repeated = self._with_key("kept answer")
        model = {"url": "http://127.0.0.1:9/v1", "name": "m", "key": "sk-model"}
        self.bot = self._does("POST", "/bots", {"name": "b", "kind": "model", "model": model}, 201)["id"]
        self._does("POST", f"/phone_numbers/{customer.number.id}/two_step_pin", {"pin": "246810"}, 204)
        customer.number.hears(PERSON)
        path = f"/messages?direction=inbound&recipient={PERSON}"
        until(lambda: stack.call("GET", path, key=customer.tenant.key).json()["data"], "the window is open")

    def _with_key(self, key: str) -> httpx.Response:
        body = {"name": "kept", "kind": "webhook", "url": "http://127.0.0.1:9/"}
        return self.stack.call("POST", "/bots", body, key=self.customer.tenant.key, headers={"Idempotency-Key": key})

    def _does(self, method: str, path: str, body: Any, status: int) -> Any:
        answer = self.stack.call(method, path, body, key=self.customer.tenant.key)
        assert answer.status_code == status, f"{path}: {answer.status_code} {answer.text[:300]}"
        return answer.json() if answer.content else None

    def send(self) -> None:
        self.sent.append(self.customer.says(PERSON))
        threading.Event().wait(0.05)

    def connect(self) -> None:
        new = new_customer(self.stack, self.customer.receiver, "More")
        assert new.number.id

    def rotate_secret(self) -> None:
        body = {"overlap_seconds": 600}
        self.secret = self.customer.does("POST", f"/{self.endpoint['id']}/rotate_secret", body)["secret"]

    def set_pin(self) -> None:
        self._does("POST", f"/phone_numbers/{self.customer.number.id}/two_step_pin", {"pin": "135790"}, 204)

    def reached(self, message: str) -> None:
        """Wait until Meta has a message."""

        def status() -> str:
            return str(self.stack.call("GET", f"/messages/{message}", key=self.customer.tenant.key).json()["status"])

        until(lambda: status() in ("sent", "delivered", "read"), f"{message} is sent")

    def all_is_well(self) -> None:
        """Everything that needs a secret works."""
        self.reached(self.customer.says(PERSON))  # with the account's token
        seen = len(self.customer.receiver.of("/hook", "webhook.test"))
        self.customer.does("POST", f"/{self.endpoint['id']}/test", {}, 202)
        hit = self.customer.receiver.waits("/hook", seen + 1, "webhook.test")[-1]
        assert hit.is_signed_by(self.secret)
        again = self._with_key("kept answer")
        assert (again.headers.get("Idempotent-Replayed"), again.json()) == ("true", self.repeated.json())
        bot = self._does("GET", f"/bots/{self.bot}", None, 200)
        assert bot["model"]["has_key"]
        self._does("PATCH", f"/bots/{self.bot}", {"name": "still"}, 200)
        self._does("POST", f"/phone_numbers/{self.customer.number.id}/register", {}, 200)  # with the PIN that is kept
        self.rotate_secret()


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with running_stack(**QUICK, WABUS_ENCRYPTION_KEYS=A) as running:
        yield running


def test_a_key_leaves_the_ring_while_everything_goes_on(stack: Stack) -> None:
    with receiving() as receiver:
        world = World(stack, new_customer(stack, receiver, "Ring"))
        world.all_is_well()
        restarted_with(stack, f"{B},{A}")
        code, before = keyring(stack, "status")
        assert (code, before["current"], before["removable"]) == (0, "B", [])
        assert before["left"] >= 6
        with working(world.send, world.connect, world.rotate_secret, world.set_pin) as wrong:
            until(lambda: len(world.sent) > 10, "work is under way")
            code, done = keyring(stack, "rotate")
            count = len(world.sent)
            until(lambda: len(world.sent) > count + 10, "work goes on")
        assert wrong == []
        assert (code, done["left"], done["removable"], done["problems"]) == (0, 0, ["A"], [])
        assert done["changed"] >= 3  # the token, the model's key, the kept answer: the work replaces the rest itself
        code, after = keyring(stack, "rotate")
        assert (code, after["changed"], after["removable"]) == (0, 0, ["A"])
        restarted_with(stack, B)
        world.all_is_well()
        assert {row["key"] for row in keyring(stack, "status")[1]["counts"]} == {"B"}
        for message in world.sent:
            world.reached(message)


def test_a_ring_without_the_right_key_is_told_in_a_sentence(stack: Stack) -> None:
    code, missing = keyring(stack, "status", ring=C)
    assert code == 1
    assert any(
        "encrypted with the key `B`, which is not on the ring: put it back" in each for each in missing["problems"]
    )
    code, wrong = keyring(stack, "rotate", ring=f"{A},B:{C.partition(':')[2]}")
    assert (code, wrong["changed"]) == (1, 0)
    assert any("the ring has another key under this id" in each for each in wrong["problems"])
