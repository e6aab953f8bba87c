"""Token buckets by name, in bounded memory: one that lay idle for a while is full again, so it is forgotten."""

from libs.runtime.clock import Clock

MOST = 20_000  # names in memory: past that those that were not asked for lately start anew, full
IDLE = 60.0  # seconds, or as long as an empty bucket takes to fill, after which one that is not asked for is forgotten


class Buckets:
    """A bucket per name: `rate` tokens a second, and as many as `burst` at once (one second's worth if not said).

    Two generations: what is asked for moves to the young one; when that is full or old, the other one is dropped.
    """

    def __init__(self, rate: float, clock: Clock, *, burst: float | None = None, most: int = MOST) -> None:
        self._rate = rate
        self._burst = rate if burst is None else burst
        self._clock = clock
        self._half = most // 2
        self._life = max(IDLE, self._burst / rate)
        self._turned = clock.monotonic()
        self._young: dict[str, tuple[float, float]] = {}
        self._old: dict[str, tuple[float, float]] = {}

    def take(self, name: str, rate: float | None = None) -> float:
        """Take one token; -> 0 where there was one, else the seconds until there is.

        A `rate` given is this name's own, with a burst of one second's worth.
        """
        now = self._clock.monotonic()
        rate, burst = (self._rate, self._burst) if rate is None else (rate, rate)
        level, at = self._level(name, burst, now)
        level = min(burst, level + (now - at) * rate)
        enough = level >= 1
        self._young[name] = (level - 1 if enough else level, now)
        return 0.0 if enough else (1 - level) / rate

    def missing(self, name: str) -> float:
        """Return the seconds until there is a token, 0 where there is one, without taking it."""
        now = self._clock.monotonic()
        level, at = self._young.get(name) or self._old.get(name) or (self._burst, now)
        return max(0.0, (1 - level) / self._rate - (now - at))

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def _level(self, name: str, burst: float, now: float) -> tuple[float, float]:
        found = self._young.get(name)
        if found is not None and now - self._turned < self._life:
            return found
        if len(self._young) >= self._half or now - self._turned >= self._life:
            self._old, self._young, self._turned = self._young, {}, now
        return self._old.pop(name, None) or (burst, now)
