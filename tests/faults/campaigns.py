"""A campaign under faults: services die, people press pause and resume, and everybody is written to once."""

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.faults.scenarios import kill_and_restart
from tests.support.running import Number, Stack, until
from tests.support.shared_stack import install

TEMPLATE = {
    "name": "notice",
    "language": "en_US",
    "category": "UTILITY",
    "components": [{"type": "BODY", "text": "We are closed today."}],
}
KILLED = ("campaigns", "sender", "tracker")
ADDED = 2_500  # recipients of one call


class Campaign:
    """One launched campaign to people in Germany whom nobody else writes to."""

    def __init__(self, stack: Stack, people: Sequence[str], throughput: int) -> None:
        self.stack, self.people = stack, people
        self.number: Number = stack.connect(throughput=throughput, messaging_limit="UNLIMITED")
        install(stack, self.number, TEMPLATE)
        body = {"name": "under faults", "template": TEMPLATE["name"], "phone_number_id": self.number.id}
        self.id = stack.call("POST", "/campaigns", body).json()["id"]
        for first in range(0, len(people), ADDED):
            rows = [{"to": f"+{each}"} for each in people[first : first + ADDED]]
            self.does("recipients", recipients=rows)
        self.does("launch")

    def does(self, what: str, **body: Any) -> None:
        """Make a call that must be taken, again while a service is away."""

        def taken() -> bool:
            answer = self.stack.call("POST", f"/campaigns/{self.id}/{what}", body)
            assert answer.status_code in (200, 202, 409, 503, 504), answer.text
            return answer.status_code in (200, 202, 409)

        until(taken, f"{what} is taken", 60, 0.2)

    def read(self) -> dict[str, Any]:
        """Read the campaign; its counters must add up at every instant."""
        answer = until(
            lambda: got if (got := self.stack.call("GET", f"/campaigns/{self.id}")).status_code == 200 else None,
            "it can be read", 60, 0.2,
        )  # fmt: skip
        row: dict[str, Any] = answer.json()
        assert sum(row["counts"].values()) == row["recipients"] == len(self.people), row
        return row

    def delivered(self) -> int:
        """Return how many people Meta said to have been reached."""
        counts = self.read()["counts"]
        return int(counts["delivered"] + counts["read"])

    def check(self, seconds: float) -> None:
        """Wait for its end, then compare with the sandbox: everybody once."""
        until(lambda: self.read()["status"] == "completed", "it is completed", seconds, 0.5)
        until(lambda: self.delivered() == len(self.people), "all are delivered", seconds, 0.5)
        log = Counter(
            row["to"].removeprefix("+") for row in self.stack.sends() if row["phone_number_id"] == self.number.id
        )
        assert log == Counter(self.people), [each for each, times in log.items() if times != 1][:5]


def await_progress(campaign: Campaign) -> bool:
    """Wait until fewer people wait than now; -> whether anybody does."""
    waiting = campaign.read()["counts"]["pending"]
    until(lambda: campaign.read()["counts"]["pending"] < waiting or not waiting, "it goes on", 60)
    return bool(waiting)


def trouble(campaign: Campaign, seed: int, rounds: int) -> int:
    """Kill services, pause and resume, in an order that the seed decides; -> how often fan-out was in its middle."""
    dice, within = random.Random(seed), 0
    for _ in range(rounds):
        within += await_progress(campaign)
        if dice.random() < 0.4:
            campaign.does("pause")
            kill_and_restart(campaign.stack, dice.choice(KILLED))
            campaign.does("resume")
        else:
            kill_and_restart(campaign.stack, dice.choice(KILLED))
    return within
