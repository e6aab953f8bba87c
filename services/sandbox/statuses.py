"""Statuses of a message: when each comes, and its JSON."""

import random
from dataclasses import dataclass
from typing import NamedTuple

from services.sandbox.behaviour import Timing
from services.sandbox.fates import Step
from services.sandbox.pricing import Price
from services.sandbox.webhooks import encode, webhook_error_json

EARLY_GAP = 0.02  # seconds between statuses that overtake the answer of their send


class PlannedStatus(NamedTuple):
    """A status: machine times (seconds since 1970) it is told and it happens, and the JSON fragment that is its own."""

    status: str
    due: float
    happens: float
    extra: str


@dataclass(frozen=True, slots=True)
class Letterhead:
    """What all statuses of one message share."""

    wamid: str
    person: str
    hidden: bool
    user_id: str
    callback: str | None

    def contact(self) -> str:
        """Return the JSON of the item of `contacts` that comes with a status: without a profile, since 2026."""
        number = "" if self.hidden else f'"wa_id":"{self.person}",'
        return f'{{{number}"user_id":"{self.user_id}"}}'

    def write(self, status: PlannedStatus, offset: float) -> str:
        """Return the JSON of a status; `offset` is what the sandbox's clock is ahead of the machine's (seconds)."""
        recipient = "" if self.hidden else f',"recipient_id":"{self.person}"'
        callback = "" if self.callback is None else f',"biz_opaque_callback_data":{encode(self.callback)}'
        return (
            f'{{"id":"{self.wamid}","status":"{status.status}","timestamp":"{int(status.happens + offset)}"{recipient}'
            f',"recipient_user_id":"{self.user_id}"{status.extra}{callback}}}'
        )


def plan(
    steps: list[Step], worth: Price, timing: Timing, dice: random.Random, now: float, early: bool, shuffled: bool
) -> list[PlannedStatus]:
    """Return a message's statuses in the order they happen, `now` being machine time.

    `early` lets them overtake the answer of the send; `shuffled` tells them in another order than they happened.
    """
    dues: list[float] = []
    due = now
    for step in steps:
        due = due + (EARLY_GAP if early and dues else 0.0 if early else step.delay)
        dues.append(due)
    told = list(dues)
    if shuffled:
        dice.shuffle(told)
    return [
        PlannedStatus(step.status, when, happens, _extra(step, worth, timing, dice))
        for step, when, happens in zip(steps, told, dues, strict=True)
    ]


def _extra(step: Step, worth: Price, timing: Timing, dice: random.Random) -> str:
    if step.code is not None:
        return f',"errors":[{webhook_error_json(step.code, step.details)}]'
    share = {"sent": timing.pricing_on_sent, "delivered": timing.pricing_on_delivered}.get(
        step.status, timing.pricing_on_read
    )
    pricing = worth.pricing if share > 0 and dice.random() < share else ""
    return worth.conversation_on(step.status) + pricing
