import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.running import Number, Stack, until
from tests.support.shared_stack import greet, install

# Meta's bucket: a second's worth and a tenth, for what the network bunches.
BURST = 1.1
OFFER = {"name": "offer", "language": "en_US", "category": "MARKETING", "components": [{"type": "BODY", "text": "Hi"}]}


def template(number: Number, to: str, name: str = "hello_world") -> str:
    """Send a template without variables; -> the message's id."""
    body = {"phone_number_id": number.id, "to": f"+{to}", "template": name, "language": "en_US"}
    answer = number.stack.call("POST", "/messages/template", body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def connected(stack: Stack, **wish: Any) -> Number:
    """Connect a number of its own, and wait until its templates are known."""
    number = stack.connect(**wish)
    path = f"/templates?waba_id={number.waba_id}"
    until(lambda: stack.call("GET", path).json()["data"], "its templates are known", 10)
    return number


def sent(number: Number, after: int = 0) -> list[dict[str, Any]]:
    """Return what Meta accepted from a number, in order of arrival."""
    return [row for row in number.stack.sends(after) if row["phone_number_id"] == number.id]


def moments(rows: list[dict[str, Any]]) -> list[float]:
    return [datetime.fromisoformat(row["at"]).timestamp() for row in rows]


def refusals(number: Number) -> list[dict[str, Any]]:
    rows = number.stack.box("GET", "/rejects")["data"]
    return [row for row in rows if row["phone_number_id"] == number.id]


def check_rate(rows: list[dict[str, Any]], rate: int) -> None:
    """No second may hold more than Meta's bucket lets through."""
    at = moments(rows)
    for place, begin in enumerate(at):
        held = sum(1 for moment in at[place:] if moment < begin + 1)
        assert held <= rate * BURST + 1, f"{held} in a second at a rate of {rate}"


def test_a_numbers_rate_is_kept_and_nothing_is_refused(stack: Stack, person: Callable[[], str]) -> None:
    slow = connected(stack, throughput=20, messaging_limit="UNLIMITED")
    ids = [template(slow, person()) for _ in range(45)]
    until(lambda: len(sent(slow)) == 45, "all are sent", 15, 0.2)
    rows = sent(slow)
    assert sorted(row["biz_opaque_callback_data"] for row in rows) == sorted(ids)
    check_rate(rows, 20)
    assert refusals(slow) == []
    at = moments(rows)
    assert at[-1] - at[0] < 45 / 20 * 1.5, "the rate is used, too"


def test_what_a_person_waits_for_overtakes_a_campaign(stack: Stack, person: Callable[[], str]) -> None:
    slow = connected(stack, throughput=20, messaging_limit="UNLIMITED")
    install(stack, slow, OFFER)
    friend = person()
    greet(slow, friend)
    with ThreadPoolExecutor(8) as pool:  # all before a fair part of them is sent
        many = list(pool.map(lambda i: template(slow, f"4915770{i:06d}", "offer"), range(60)))
    reply = slow.send(friend, "a reply").json()["id"]
    until(lambda: len(sent(slow)) == len(many) + 1, "all are sent", 20, 0.2)
    order = [row["biz_opaque_callback_data"] for row in sent(slow)]
    behind = len(order) - 1 - order.index(reply)
    assert behind > 15, f"only {behind} of {len(many)} campaign messages were overtaken"
    check_rate(sent(slow), 20)


def test_one_persons_limit_is_kept_without_holding_up_anybody_else(
    stack: Stack, number: Number, person: Callable[[], str]
) -> None:
    eager, other = person(), person()
    greet(number, eager)
    greet(number, other)
    ids = [number.send(eager, f"line {i}").json()["id"] for i in range(46)]
    after = number.send(other).json()["id"]
    number.reaches(after, "delivered", seconds=5)
    assert stack.message(ids[-1])["status"] == "queued"
    number.reaches(ids[-1], "delivered", seconds=20)
    rows = [row for row in sent(number) if row["to"] == eager]
    assert [row["biz_opaque_callback_data"] for row in rows] == ids
    assert [row for row in refusals(number) if row["to"].endswith(eager)] == []


def test_a_throttled_number_slows_down_and_loses_nothing(stack: Stack, person: Callable[[], str]) -> None:
    calm = connected(stack, throughput=80, messaging_limit="UNLIMITED")
    fault = stack.box("POST", "/faults", {"kind": "error", "code": 130429, "phone_number_id": calm.id, "count": 5})
    try:
        ids = [template(calm, person()) for _ in range(30)]
        until(lambda: len(sent(calm)) == 30, "all are sent", 20, 0.2)
    finally:
        stack.box("DELETE", f"/faults/{fault['id']}")
    assert sorted(row["biz_opaque_callback_data"] for row in sent(calm)) == sorted(ids)
    for message_id in ids:
        calm.reaches(message_id, "delivered")


def test_a_throttled_pair_waits_alone_and_in_order(stack: Stack, number: Number, person: Callable[[], str]) -> None:
    slow, quick = person(), person()
    greet(number, slow)
    greet(number, quick)
    fault = stack.box("POST", "/faults", {"kind": "error", "code": 131056, "to": slow, "count": 1})
    try:
        held = [number.send(slow, f"line {i}").json()["id"] for i in range(3)]
        free = [number.send(quick, f"line {i}").json()["id"] for i in range(3)]
        number.reaches(free[-1], "delivered", seconds=5)
        number.reaches(held[-1], "delivered", seconds=25)
    finally:
        stack.box("DELETE", f"/faults/{fault['id']}")
    assert [row["biz_opaque_callback_data"] for row in sent(number) if row["to"] == slow] == held


def test_a_portfolios_budget_of_people_is_kept_and_replies_do_not_count(
    stack: Stack, person: Callable[[], str]
) -> None:
    small = connected(stack, messaging_limit=3)
    friend = person()
    greet(small, friend)
    ids = [template(small, person()) for _ in range(5)]
    until(lambda: len(sent(small)) == 3, "the budget is used", 10)
    reply = small.send(friend).json()["id"]
    small.reaches(reply, "delivered")
    waiting = [row for row in map(stack.message, ids) if row["status"] == "queued"]
    assert len(waiting) == 2
    assert len(sent(small)) == 4
    assert refusals(small) == []


@contextmanager
def another_sender(stack: Stack) -> Iterator[subprocess.Popen[bytes]]:
    """Run a second sender beside the stack's own."""
    raw = Path(f"/proc/{stack.info['pids']['sender']}/environ").read_bytes().split(b"\0")
    environment = {name: value for name, _, value in (entry.decode().partition("=") for entry in raw if entry)}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment |= {"WABUS_HTTP_PORT": str(port), "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    log = open(stack.directory / "logs" / "sender-2.log", "ab")  # noqa: SIM115  # the child's
    child = subprocess.Popen(
        [sys.executable, "-m", "services.sender"], env=environment, stdout=log, stderr=log,
        cwd=Path(__file__).parents[3],
    )  # fmt: skip
    try:
        until(lambda: _ready(port), "the second sender is ready", 20)
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        assert child.wait(30) == 0
        log.close()


def _ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_two_senders_never_own_one_number(stack: Stack, person: Callable[[], str]) -> None:
    numbers = [connected(stack, throughput=20, messaging_limit="UNLIMITED") for _ in range(3)]
    ids: dict[str, list[str]] = {number.id: [template(number, person()) for _ in range(30)] for number in numbers}
    with another_sender(stack):
        for number in numbers:
            ids[number.id] += [template(number, person()) for _ in range(40)]
        until(lambda: sum(len(sent(number)) for number in numbers) >= 150, "most are sent", 30, 0.2)
    until(lambda: sum(len(sent(number)) for number in numbers) >= 210, "all are sent", 60, 0.2)
    for number in numbers:
        rows = sent(number)
        assert sorted(row["biz_opaque_callback_data"] for row in rows) == sorted(ids[number.id])
        check_rate(rows, 20)
        assert refusals(number) == []
