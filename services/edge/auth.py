"""Who calls: the key in a request, what it may do, and how often."""

import hashlib
from typing import NamedTuple

from starlette.requests import Request

from libs.directory.directory import Directory
from libs.directory.entries import KeyEntry
from libs.runtime.clock import Clock
from libs.web.errors import Forbidden, TooManyRequests, Unauthenticated
from services.edge.api_keys import Scope, is_current, is_of, parse_key
from services.edge.last_used import LastUsed

PROVEN = 10_000  # keys whose proof is remembered; past that all are proven anew


class Caller(NamedTuple):
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
        self._proven: dict[bytes, KeyEntry] = {}  # SHA-256 of a whole key -> the entry it was proven against

    async def caller(self, request: Request, scope: Scope) -> Caller:
        """Return who calls.

        Raises Unauthenticated (no key, or none that is valid), Forbidden (naming the scope that is missing) and
        TooManyRequests.
        """
        text = _key_text(request)
        if not text:
            raise Unauthenticated("Send your API key as `Authorization: Bearer cm_...` or `X-API-Key`.", code="no_key")
        digest = hashlib.sha256(text).digest()
        entry = self._proven.get(digest)
        if entry is None or self._directory.keys.peek(entry.key_id) is not entry:
            entry = await self._prove(text, digest)
        if not is_current(entry, self._clock.now()):
            raise Unauthenticated("The API key is not valid.")
        return self._admitted(entry, scope)

    async def _prove(self, text: bytes, digest: bytes) -> KeyEntry:
        """Check a key against its entry as the directory has it now, and remember that it is the one."""
        key = parse_key(text.decode("latin-1"))
        entry = None if key is None else await self._directory.keys.get(key.key_id)
        if key is None or entry is None or not is_of(key, entry):
            raise Unauthenticated("The API key is not valid.")
        if len(self._proven) >= PROVEN:
            self._proven.clear()
        self._proven[digest] = entry
        return entry

    def _admitted(self, entry: KeyEntry, scope: Scope) -> Caller:
        if scope not in entry.scopes:
            raise Forbidden(f"The API key lacks the scope {scope.value}.", more={"scope": scope.value})
        if not self._buckets.take(entry.key_id):
            raise TooManyRequests("The API key makes too many requests.", retry_after=1)
        self._last_used.note(entry.key_id)
        return Caller(entry.tenant, entry.key_id, entry.mode, entry.scopes)


def _key_text(request: Request) -> bytes:
    found = b""
    for name, value in request.scope["headers"]:
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            return bytes(value[7:].strip())
        if name == b"x-api-key":
            found = value.strip()
    return found
