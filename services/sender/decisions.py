"""What follows from an outcome: pure decisions, in one place."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from libs.events.messages import MessageError, MessageStatus
from libs.graph.errors import Policy
from libs.graph.send import Accepted, NotConnected, Refused, SendOutcome

TRANSIENT_TRIES = 6  # attempts before Meta's "try later" is taken as final: with the waits below about a minute
FIRST_WAIT = 1.0  # seconds before the second attempt, doubling
LONGEST_WAIT = 60.0  # seconds: a connection that fails this often is looked at once a minute
THROTTLED_WAIT = 1.0  # seconds: the bucket slows down by itself, the message only steps aside


class Stop(StrEnum):
    """What a refusal stops."""

    ACCOUNT = "account"
    NUMBER = "number"


# Our codes that stop all sending of an account or a number; others of the policy only end the message.
STOPS = {
    "token_invalid": Stop.ACCOUNT,
    "permission_missing": Stop.ACCOUNT,
    "account_blocked": Stop.ACCOUNT,
    "number_not_registered": Stop.NUMBER,
    "number_not_found": Stop.NUMBER,
}


@dataclass(frozen=True, slots=True)
class Decision:
    """The state a claim ends in, with the wait before a next try and what else has to be done."""

    status: MessageStatus
    wait: float = 0.0
    wamid: str | None = None
    error: MessageError | None = None
    policy: Policy | None = None
    stop: Stop | None = None
    meta_code: int = 0


def decide(outcome: SendOutcome, attempt: int, stopped_wait: float) -> Decision:
    """Decide what an attempt's outcome means: definitely yes, definitely no (again or final), or unknown.

    A message whose account is stopped waits `stopped_wait` seconds between looks.
    """
    if isinstance(outcome, Accepted):
        return Decision(MessageStatus.ACCEPTED, wamid=outcome.wamid)
    if isinstance(outcome, NotConnected):
        return Decision(MessageStatus.QUEUED, wait=backoff(attempt))
    if not isinstance(outcome, Refused):
        return Decision(MessageStatus.UNKNOWN)
    verdict = outcome.error.verdict
    error = outcome.error.message_error(verdict)
    code = outcome.error.code
    if verdict.policy is Policy.THROTTLE:
        return Decision(MessageStatus.QUEUED, wait=jittered(THROTTLED_WAIT), policy=verdict.policy)
    if verdict.policy is Policy.PAIR:
        return Decision(MessageStatus.QUEUED, policy=verdict.policy)
    if verdict.policy is Policy.TRANSIENT and attempt < TRANSIENT_TRIES:
        return Decision(MessageStatus.QUEUED, wait=backoff(attempt), policy=verdict.policy)
    if verdict.policy is Policy.ACCOUNT and (stop := STOPS.get(verdict.code)) is not None:
        return Decision(
            MessageStatus.QUEUED, wait=stopped_wait, error=error, policy=verdict.policy, stop=stop, meta_code=code
        )
    return Decision(MessageStatus.FAILED, error=error, policy=verdict.policy)


def backoff(attempt: int) -> float:
    """Return the seconds before the next attempt: doubling, with jitter."""
    return jittered(min(FIRST_WAIT * 2 ** (attempt - 1), LONGEST_WAIT))


def jittered(seconds: float) -> float:
    """Spread a wait by half, so that those who failed together do not come back together."""
    return seconds * random.uniform(0.75, 1.25)


class Doubt(StrEnum):
    """What to do about a message of unknown outcome."""

    WAIT = "wait"
    RESEND = "resend"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known about an attempt of unknown outcome. Times are when things came to us, not Meta's."""

    attempted_at: datetime
    now: datetime
    applied_until: datetime | None
    heard_at: datetime | None
    one_time_code: bool
    at_most_once: bool
    open_until: datetime | None
    interrupted_until: datetime | None = None


def judge(evidence: Evidence, lease: timedelta, wait: timedelta, no_flow_limit: timedelta) -> tuple[Doubt, str]:
    """Decide about an unknown message; -> what to do, and the reason where it is kept.

    It was not accepted if no webhook told of it within W after its lease, while webhooks did flow: an edge stood ready
    to take them until then, everything that came in is applied, and something of this number or app came after the
    attempt. Webhooks that were turned away come again later than fresh ones, so W begins anew where some were.
    """
    over = evidence.attempted_at + lease
    deadline = max(over, evidence.interrupted_until or over) + wait
    taken = evidence.open_until is not None and evidence.open_until >= deadline
    applied = evidence.applied_until is not None and evidence.applied_until >= deadline
    heard = evidence.heard_at is not None and evidence.heard_at > evidence.attempted_at
    if evidence.now >= deadline and taken and applied and heard:
        if evidence.one_time_code:
            return Doubt.KEEP, "one_time_code"
        return (Doubt.KEEP, "at_most_once") if evidence.at_most_once else (Doubt.RESEND, "")
    if evidence.now >= evidence.attempted_at + no_flow_limit:
        return Doubt.KEEP, "no_webhooks"
    return Doubt.WAIT, ""
