"""Kafka or MongoDB away: what is refused, what goes on, and that nothing is missing afterwards.

Named so that it runs after the journeys that need everything.
"""

import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from tests.support import meta_bodies as meta
from tests.support.running import Number, Stack, until
from tests.support.shared_stack import greet, newest, refused


@contextmanager
def away(stack: Stack, name: str) -> Iterator[None]:
    """Freeze a server, as a lost network would; afterwards it goes on."""
    stack.signal(name, signal.SIGSTOP)
    try:
        yield
    finally:
        stack.signal(name, signal.SIGCONT)


def edge_is_ready(stack: Stack) -> bool:
    return stack.http.get(stack.info["edge"] + "/readyz").status_code == 200


@pytest.fixture
def friends(number: Number, person: Callable[[], str]) -> list[str]:
    """People who may be written to."""
    people = [person() for _ in range(5)]
    for who in people:
        greet(number, who)
    return people


def test_with_kafka_away_messages_are_accepted_and_webhooks_come_again(
    stack: Stack, number: Number, friends: list[str], person: Callable[[], str]
) -> None:
    late = person()
    raw = meta.body(number.waba_id, meta.change(number.id, [meta.inbound(late)]))
    with away(stack, "kafka"):
        posted = [number.send(who, "while Kafka is away") for who in friends]
        assert [answer.status_code for answer in posted] == [202] * len(friends)
        began = time.monotonic()
        refused(stack.webhook(raw), 503)
        assert time.monotonic() - began < 5
        assert edge_is_ready(stack)
        still = number.send(friends[0], "still").json()["id"]
        answer = stack.call("POST", f"/messages/{still}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (200, "canceled")
    assert until(lambda: stack.webhook(raw).status_code == 200, "webhooks are taken again", 20, 0.2)
    for accepted in posted:
        number.reaches(accepted.json()["id"], "delivered", seconds=30)
    assert still not in {each["biz_opaque_callback_data"] for each in stack.sends()}
    until(lambda: newest(stack, direction="inbound", recipient=late), "the webhook is applied", 20)
    greet(number, person())


def test_with_mongodb_away_nothing_is_stored_and_it_recovers_by_itself(
    stack: Stack, number: Number, friends: list[str]
) -> None:
    before = newest(stack, direction="outbound")
    stack.cli("stop", "mongod")
    try:
        until(lambda: not edge_is_ready(stack), "edge says that it is not ready", 15, 0.2)
        with ThreadPoolExecutor() as pool:
            answers = list(pool.map(lambda who: number.send(who, "while MongoDB is away"), friends))
            answers += pool.map(lambda path: stack.call("GET", path), ("/messages", "/accounts", "/phone_numbers"))
        for answer in answers:
            refused(answer, 503, "unavailable")
    finally:
        stack.restart("mongod")
    until(lambda: edge_is_ready(stack), "edge is ready again", 30, 0.2)
    assert newest(stack, direction="outbound") == before
    row = number.reaches(number.send(friends[0], "afterwards").json()["id"], "delivered", seconds=30)
    assert row["attempts"] == 1


def test_with_mongodb_frozen_an_answer_comes_in_time_and_says_whether_it_is_sure(
    stack: Stack, number: Number, friends: list[str]
) -> None:
    headers = {"Idempotency_Key": f"frozen-{friends[0]}"}
    with away(stack, "mongod"):
        try:
            answer = number.send(friends[0], "is anybody there", **headers)
        except httpx.TimeoutException:
            pytest.fail("no answer within 30 s")
        assert answer.status_code in (503, 504)
        if answer.status_code == 504:
            refused(answer, 504, "outcome_unknown")
    until(lambda: edge_is_ready(stack), "edge is ready again", 30, 0.2)
    again = until(
        lambda: it if (it := number.send(friends[0], "is anybody there", **headers)).status_code == 202 else None,
        "it is accepted", 20, 0.2,
    )  # fmt: skip
    number.reaches(again.json()["id"], "delivered", seconds=30)
    rows = stack.call("GET", f"/messages?direction=outbound&recipient={friends[0]}").json()["data"]
    assert len(rows) == 1
