"""How fast one number may write to one person: Meta allows 1 message in 6 s with a burst of 45.

Source: Meta's pair rate limit; past it Graph answers 131056, after which the wait is 4^n seconds.
"""

from dataclasses import dataclass

from libs.runtime.clock import Clock

INTERVAL = 6.0  # seconds that one message costs
BURST = 45  # messages
BASE = 4  # of the wait after a refusal, to the power of how many came in a row
MOST_REFUSALS = 6  # 4^6 s is over an hour: past that nothing is learnt
MOST_PAIRS = 100_000  # remembered; the ones that are full again are forgotten first


@dataclass(slots=True)
class _Pair:
    """The bucket of one number and one person; times are monotonic seconds."""

    free_at: float  # when the bucket would be full again (virtual scheduling)
    blocked_until: float = 0.0
    refusals: int = 0


class Pairs:
    """The buckets of pairs, by (number, person)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pairs: dict[tuple[str, str], _Pair] = {}

    def delay(self, number: str, person: str) -> float:
        """Return the seconds until the next message may go; 0 takes its place in the bucket at once."""
        now = self._clock.monotonic()
        pair = self._pairs.get((number, person))
        if pair is None:
            self._forget_full(now)
            self._pairs[number, person] = _Pair(free_at=now + INTERVAL)
            return 0.0
        wait = max(pair.blocked_until - now, pair.free_at - now - (BURST - 1) * INTERVAL, 0.0)
        if wait == 0.0:
            pair.free_at = max(pair.free_at, now) + INTERVAL
        return wait

    def refused(self, number: str, person: str) -> float:
        """Note a 131056; -> seconds to wait for this pair."""
        now = self._clock.monotonic()
        pair = self._pairs.setdefault((number, person), _Pair(free_at=now))
        wait = float(BASE**pair.refusals)
        pair.refusals = min(pair.refusals + 1, MOST_REFUSALS)
        pair.blocked_until = now + wait
        return wait

    def accepted(self, number: str, person: str) -> None:
        """Note that Meta took a message: refusals in a row start anew."""
        pair = self._pairs.get((number, person))
        if pair is not None:
            pair.refusals = 0

    def _forget_full(self, now: float) -> None:
        if len(self._pairs) >= MOST_PAIRS:
            self._pairs = {
                key: pair for key, pair in self._pairs.items() if pair.free_at > now or pair.blocked_until > now
            }
