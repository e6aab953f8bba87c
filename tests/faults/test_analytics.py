"""Sums that equal a recount after analytics was killed again and again."""

import random

import pytest

from tests.faults.scenarios import kill_and_restart
from tests.support.recount import recount, shown
from tests.support.running import Stack, until

pytestmark = pytest.mark.long

PEOPLE = [f"1556700{i:04d}" for i in range(100)]
MESSAGES, KILLS = 2_000, 10


def test_sums_equal_a_recount_after_ten_kills_with_webhooks_doubled_and_shuffled(stack: Stack) -> None:
    number, dice = stack.connect(throughput=1000), random.Random(6)
    number.open_windows(PEOPLE)
    for kind in ("webhooks_doubled", "webhooks_shuffled"):
        stack.box("POST", "/faults", {"kind": kind, "share": 0.5})
    ids, kills = [], sorted(dice.sample(range(100, MESSAGES), KILLS))
    for place in range(MESSAGES):
        ids.append(number.send(PEOPLE[place % len(PEOPLE)], f"n{place}").json()["id"])
        if kills and place == kills[0]:
            kills.pop(0)
            kill_and_restart(stack, "analytics")
    stack.box("DELETE", "/faults", None)
    for message_id in ids:
        number.reaches(message_id, "delivered", "read", "failed", seconds=60)
    messages = [stack.message(message_id) for message_id in ids]
    expected = recount((row["id"], step["status"]) for row in messages for step in row["history"])

    def funnel() -> dict[str, int]:
        answer = stack.call("GET", f"/analytics/funnel?phone_number_id={number.id}").json()
        return dict(shown(answer))

    until(lambda: funnel() == dict(expected), "the sums equal a recount", 60, 1)
