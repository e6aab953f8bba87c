"""How long a rule's answer takes, from the webhook to Meta's log."""

import asyncio
import hashlib
import hmac
import statistics
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.faults.test_bots import ECHO, webhook
from tests.load.client import drive
from tests.support.running import Number, Stack, running_stack, until

# A turn of a conversation is a webhook, a decision, a message and its statuses: some 17 ms of CPU over all processes,
# so that at a hundred a second two cores with everything on them have little left. The broker is warm after a minute.
RATE, SECONDS, WARM = 100, 40, 60
CONNECTIONS = 64  # to edge; more than are ever under way
SOON = 0.15  # seconds, of 99 in 100

Said = tuple[str, str]  # who, and the words: each message has its own, and the bot says them back


@pytest.fixture(scope="module")
def busy() -> Iterator[Stack]:
    with running_stack(WABUS_EDGE_KEY_RATE="100000", WABUS_EDGE_TENANT_RATE="100000") as stack:
        yield stack


def write(number: Number, people: list[str], every: float) -> dict[Said, float]:
    """Post a message of each in turn, one every so many seconds; -> when each was due to be posted.

    The client costs little, for it has its share of the same two cores.
    """
    secret = number.stack.info["app_secret"].encode()

    def said(place: int) -> bytes:
        return webhook(number, people[place], place, int(time.time()))

    def sign(raw: bytes) -> str:
        return "X-Hub-Signature-256: sha256=" + hmac.new(secret, raw, hashlib.sha256).hexdigest()

    url = number.stack.info["edge"] + "/webhooks/whatsapp"
    done = asyncio.run(drive(url, {}, len(people), CONNECTIONS, said, keep=False, sign=sign, every=every))
    assert done.statuses == {200: len(people)}
    assert done.wall < len(people) * every + 1, "as many a second as it says"
    return {(who, str(place)): done.started_at + place * every for place, who in enumerate(people)}


def answered(number: Number, count: int) -> dict[Said, float]:
    """Wait until so many messages are answered; -> when each answer was logged."""

    def rows() -> list[dict[str, Any]]:
        return [row for row in number.stack.sends() if row["phone_number_id"] == number.id]

    until(lambda: len(rows()) >= count, "all are answered", 60, 1)
    at = {}
    for row in rows():
        at[row["to"].removeprefix("+"), row["body"]["text"]["body"]] = datetime.fromisoformat(row["at"]).timestamp()
    return at


@pytest.mark.parametrize(
    ("first", "people"),
    [(15_569_000_000, 1_000), (15_568_000_000, RATE * (SECONDS + WARM))],
    ids=["known", "strangers"],
)
def test_a_rule_answers_at_once_while_a_hundred_write_in_a_second(busy: Stack, first: int, people: int) -> None:
    number = busy.connect(throughput=1000, messaging_limit="UNLIMITED")
    bot = busy.call("POST", "/bots", {"name": "echo", "kind": "rules", "rules": [ECHO]}).json()
    busy.call("POST", f"/phone_numbers/{number.id}/link-bot", {"bot_id": bot["id"]})
    busy.call("POST", f"/phone_numbers/{number.id}/autoreply", {"enabled": True})
    count = RATE * (SECONDS + WARM)
    posted = write(number, [str(first + place % people) for place in range(count)], 1 / RATE)
    logged = answered(number, count)
    took = sorted(logged[said] - at for said, at in list(posted.items())[RATE * WARM :])
    p99 = took[int(len(took) * 0.99)]
    print(f"median {statistics.median(took) * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms")  # noqa: T201
    assert p99 <= SOON
