"""Who calls: the key in a request, what it may do, and how often."""

from dataclasses import dataclass

from starlette.requests import Request

from libs.directory.directory import Directory
from libs.directory.entries import KeyEntry
from libs.runtime.clock import Clock
from libs.web.errors import Forbidden, TooManyRequests, Unauthenticated
from services.edge.api_keys import Scope, is_valid, parse_key
from services.edge.last_used import LastUsed


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller."""

    tenant: str
    key_id: str
    mode: str
    scopes: frozenset[str]


class KeyBuckets:
    """A token bucket per key: `rate` requests a second, with a burst of one second's worth."""

    def __init__(self, rate: int, clock: Clock) -> None:
        self._rate = float(rate)
        self._clock = clock
        self._levels: dict[str, tuple[float, float]] = {}

    def take(self, key_id: str) -> bool:
        """Take one; -> whether there was one."""
        now = self._clock.monotonic()
        level, at = self._levels.get(key_id, (self._rate, now))
        level = min(self._rate, level + (now - at) * self._rate)
        self._levels[key_id] = (level - 1 if level >= 1 else level, now)
        return level >= 1


class Authenticator:
    """Turns the key of a request into a caller, or refuses."""

    def __init__(self, directory: Directory, buckets: KeyBuckets, last_used: LastUsed, clock: Clock) -> None:
        self._directory = directory
        self._buckets = buckets
        self._last_used = last_used
        self._clock = clock

    async def caller(self, request: Request, scope: Scope) -> Caller:
        """Return who calls.

        Raises Unauthenticated (no key, or none that is valid), Forbidden (naming the scope that is missing) and
        TooManyRequests.
        """
        text = _key_text(request)
        if not text:
            raise Unauthenticated("Send your API key as `Authorization: Bearer cm_...` or `X-API-Key`.", code="no_key")
        key = parse_key(text)
        entry = None if key is None else self._directory.keys.peek(key.key_id)
        if key is not None and entry is None:
            entry = await self._directory.keys.get(key.key_id)
        if key is None or entry is None or not is_valid(key, entry, self._clock.now()):
            raise Unauthenticated("The API key is not valid.")
        return self._admitted(entry, scope)

    def _admitted(self, entry: KeyEntry, scope: Scope) -> Caller:
        if scope not in entry.scopes:
            raise Forbidden(f"The API key lacks the scope {scope.value}.", more={"scope": scope.value})
        if not self._buckets.take(entry.key_id):
            raise TooManyRequests("The API key makes too many requests.", retry_after=1)
        self._last_used.note(entry.key_id)
        return Caller(entry.tenant, entry.key_id, entry.mode, entry.scopes)


def _key_text(request: Request) -> str:
    headers = request.headers
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    return headers.get("x-api-key", "").strip()
