"""The notifier's decisions: when to try again, when to leave an endpoint in peace, when to give it up."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

CIRCUIT_AFTER = 3  # failures in a row: one is chance, two a restart
LEAST_FAILURES = 5  # before an endpoint is disabled: one bad answer after a quiet week is not a week of failure
JITTER = 0.2  # share of a wait: those who failed together do not all come back together
LONGEST_ASKED = timedelta(hours=1)  # how far a receiver's Retry-After may put a delivery off


class DeliveryState(StrEnum):
    """What became of a delivery; `held` waits for the customer: its endpoint was disabled for failing."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    HELD = "held"


class EndpointStatus(StrEnum):
    """Whether an endpoint is sent anything."""

    ENABLED = "enabled"
    DISABLED = "disabled"


class DisabledReason(StrEnum):
    """Why an endpoint is disabled."""

    BY_REQUEST = "by_request"
    FAILING = "failing"
    GONE = "gone"  # it answered 410


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attempt came to; `error` is a word of the list in README.md, None for a success."""

    at: datetime
    duration_ms: int
    error: str | None = None
    status_code: int | None = None
    answer: str | None = None
    retry_after: timedelta | None = None

    @property
    def succeeded(self) -> bool:
        """Tell whether the receiver took it."""
        return self.error is None

    @property
    def gone(self) -> bool:
        """Tell whether the receiver says that it is no more."""
        return self.status_code == 410


@dataclass(frozen=True, slots=True)
class Health:
    """How an endpoint has been doing: failures since its last success, and since when."""

    failures: int = 0
    failing_since: datetime | None = None

    @property
    def tripped(self) -> bool:
        """Tell whether it is left in peace but for one attempt at a time."""
        return self.failures >= CIRCUIT_AFTER

    def after(self, outcome: Outcome) -> "Health":
        """Return the health after an attempt."""
        if outcome.succeeded:
            return Health()
        return replace(self, failures=self.failures + 1, failing_since=self.failing_since or outcome.at)

    def is_hopeless(self, now: datetime, after: timedelta) -> bool:
        """Tell whether it has failed for so long, and often enough, that it is to be disabled."""
        if self.failing_since is None or self.failures < LEAST_FAILURES:
            return False
        return now - self.failing_since >= after


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait after failures: of one delivery, and of an endpoint."""

    retries: Sequence[timedelta]
    circuit_first: timedelta
    circuit_longest: timedelta
    disable_after: timedelta

    def next_try(self, tries: int, outcome: Outcome, chance: random.Random) -> datetime | None:
        """Return when a delivery is tried again after `tries` failed attempts; None when it has failed for good."""
        if tries > len(self.retries):
            return None
        wait = self.retries[tries - 1] * (1 + JITTER * chance.random())
        return outcome.at + max(wait, min(outcome.retry_after or timedelta(), LONGEST_ASKED))

    def pause(self, health: Health) -> timedelta:
        """Return how long a tripped endpoint is left in peace: doubling with each further failure."""
        doublings = min(health.failures - CIRCUIT_AFTER, 30)
        return min(self.circuit_first * (1 << max(doublings, 0)), self.circuit_longest)
