"""Meta's limits on sending: per number and second, per pair of number and person, per portfolio and day."""

from services.sandbox.behaviour import Limits
from services.sandbox.errors import refusal
from services.sandbox.model import Number, Portfolio
from services.sandbox.store import Store

DAY, HOUR = 24 * 3600.0, 3600.0
MANAGEMENT_CALLS, MANAGEMENT_CALLS_UNREGISTERED = 5000, 200  # an hour, per app and account (Meta's figures)
# The bucket holds a tenth more than one second's worth: senders that keep the rate exactly arrive with network jitter.
NUMBER_BURST = 1.1
PAIR_INTERVAL = 6.0  # seconds per message to one person (Meta: 1 per 6 s)
PAIR_BURST = 45  # messages that may be borrowed from the future (Meta: up to 45 in 6 s)
PAIR_TOLERANCE = 1.0  # seconds of jitter forgiven, so that a sender at exactly the limit is not refused
SWEEP_AT = 50_000  # pairs remembered before those that have recovered are dropped


class Rates:
    """Buckets of numbers and pairs (in memory), and who counts against a portfolio (kept)."""

    def __init__(self, limits: Limits, store: Store, now: float) -> None:
        self._limits, self._store = limits, store
        self._numbers: dict[str, tuple[float, float]] = {}
        self._pairs: dict[tuple[str, str], float] = {}
        self._reached: dict[str, dict[str, float]] = {}
        self._calls: dict[tuple[str, str], tuple[float, int]] = {}
        self._marketing: dict[tuple[str, str], list[float]] = {}
        for portfolio, person, at in store.reached(now - DAY):
            self._reached.setdefault(portfolio, {})[person] = at

    def take(self, number: Number, person: str, now: float) -> None:
        """Count one message at `now`, in machine time: moving the sandbox's clock fills no bucket.

        Raises GraphError 130429 or 131056 when it is one too many; then it is not counted.
        """
        tokens = self._number_tokens(number, now)
        if self._limits.throughput and tokens < 1:
            raise refusal(130429, "Cloud API message throughput has been reached.")
        if self._limits.pair_rate:
            self._take_pair(number.id, person, now)
        self._numbers[number.id] = (tokens - 1, now)

    def _number_tokens(self, number: Number, now: float) -> float:
        most = number.throughput * NUMBER_BURST
        tokens, then = self._numbers.get(number.id, (most, now))
        return min(most, tokens + max(0.0, now - then) * number.throughput)

    def _take_pair(self, number_id: str, person: str, now: float) -> None:
        # One stored time per pair: when its debt is paid off (the generic cell rate algorithm).
        if len(self._pairs) > SWEEP_AT:
            self._pairs = {pair: until for pair, until in self._pairs.items() if until > now}
        paid_off = max(self._pairs.get((number_id, person), now), now) + PAIR_INTERVAL
        if paid_off > now + PAIR_BURST * PAIR_INTERVAL + PAIR_TOLERANCE:
            raise refusal(
                131056,
                "Message failed to send because there were too many messages sent from this phone number to the same "
                "phone number in a short period of time.",
            )
        self._pairs[number_id, person] = paid_off

    def manage(self, app_id: str, waba_id: str, registered: bool, now: float) -> int:
        """Count a management call and return the percentage of the hour's budget; raises GraphError 80007 past it."""
        budget = MANAGEMENT_CALLS if registered else MANAGEMENT_CALLS_UNREGISTERED
        began, count = self._calls.get((app_id, waba_id), (now, 0))
        began, count = (now, 0) if now >= began + HOUR else (began, count)
        if self._limits.management_calls and count >= budget:
            raise refusal(80007)
        self._calls[app_id, waba_id] = (began, count + 1)
        return 100 * (count + 1) // budget

    def reach(self, portfolio: Portfolio, person: str, now: float) -> bool:
        """Count a person who is written to outside a window, for 24 h from now; False when the portfolio's limit is
        used up.
        """
        reached = self._reached.setdefault(portfolio.id, {})
        is_new = reached.get(person, 0.0) <= now - DAY
        limit = portfolio.messaging_limit
        if is_new and self._limits.messaging_limit and limit is not None and len(reached) >= limit:
            for known in [known for known, at in reached.items() if at <= now - DAY]:
                del reached[known]
            if len(reached) >= limit:
                return False
        reached[person] = now
        self._store.add_reached(portfolio.id, person, now)
        return True

    def market(self, portfolio: Portfolio, person: str, now: float) -> bool:
        """Count a marketing template; False when this person has had as many as the cap lets through in 24 h."""
        cap = self._limits.marketing_per_user
        if cap is None:
            return True
        key = (portfolio.id, person)
        recent = [at for at in self._marketing.get(key, ()) if at > now - DAY]
        self._marketing[key] = recent if len(recent) >= cap else [*recent, now]
        return len(recent) < cap
