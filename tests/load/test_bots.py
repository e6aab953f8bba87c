"""How long a rule's answer takes, from the webhook to Meta's log."""

import asyncio
import hashlib
import hmac
import statistics
import time
from collections.abc import Iterator
from datetime import datetime

import pytest

from tests.faults.test_bots import ECHO, webhook
from tests.load.client import drive
from tests.support.running import Number, Stack, running_stack, until

# A turn of a conversation is a webhook, a decision, a message and its statuses: some 17 ms of CPU over all processes,
# so that two cores with everything on them are at their end at a hundred a second.
RATE, SECONDS, WARM = 25, 40, 20
CONNECTIONS = 16  # to edge; more than are ever under way
SOON = 0.5  # seconds, of 99 in 100


@pytest.fixture(scope="module")
def busy() -> Iterator[Stack]:
    with running_stack(WABUS_EDGE_KEY_RATE="100000", WABUS_EDGE_TENANT_RATE="100000") as stack:
        yield stack


def write(number: Number, people: list[str], every: float) -> dict[str, float]:
    """Post a message of each person, one every so many seconds; -> when each was posted.

    The client costs little, for it has its share of the same two cores.
    """
    posted: dict[str, float] = {}
    secret = number.stack.info["app_secret"].encode()

    def said(place: int) -> bytes:
        posted[people[place]] = time.time()
        return webhook(number, people[place], 0, int(time.time()))

    def sign(raw: bytes) -> str:
        return "X-Hub-Signature-256: sha256=" + hmac.new(secret, raw, hashlib.sha256).hexdigest()

    url = number.stack.info["edge"] + "/webhooks/whatsapp"
    done = asyncio.run(drive(url, {}, len(people), CONNECTIONS, said, keep=False, sign=sign, every=every))
    assert done.statuses == {200: len(people)}
    return posted


def test_a_rule_answers_within_half_a_second_while_others_write_too(busy: Stack) -> None:
    number = busy.connect(throughput=1000, messaging_limit="UNLIMITED")
    bot = busy.call("POST", "/bots", {"name": "echo", "kind": "rules", "rules": [ECHO]}).json()
    busy.call("POST", f"/phone_numbers/{number.id}/link-bot", {"bot_id": bot["id"]})
    busy.call("POST", f"/phone_numbers/{number.id}/autoreply", {"enabled": True})
    people = [f"15569{place:06d}" for place in range(RATE * (SECONDS + WARM))]
    posted = write(number, people, 1 / RATE)
    until(lambda: len(busy.sends()) >= len(people), "all are answered", 60, 1)
    logged = {row["to"].removeprefix("+"): datetime.fromisoformat(row["at"]).timestamp() for row in busy.sends()}
    took = sorted(logged[who] - posted[who] for who in people[RATE * WARM :])
    p99 = took[int(len(took) * 0.99)]
    print(f"median {statistics.median(took) * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms")  # noqa: T201
    assert p99 <= SOON
