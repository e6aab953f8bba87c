"""Who calls: the key in a request, where it may come from, what it may do, and how often."""

import hashlib
import math
from dataclasses import dataclass
from typing import NamedTuple, Self

from starlette.requests import Request

from libs.directory.directory import Directory
from libs.directory.entries import KeyEntry
from libs.directory.reach import TEST
from libs.runtime.clock import Clock
from libs.web.errors import ApiError, Forbidden, TooManyRequests, Unauthenticated
from libs.web.headers import header
from services.edge.addresses import CallerAddress, home_of, is_among
from services.edge.api_keys import Scope, is_current, is_of, parse_key
from services.edge.buckets import Buckets
from services.edge.idempotency import OF_TEST_KEY
from services.edge.last_used import LastUsed
from services.edge.settings import Settings

PROVEN = 10_000  # keys whose proof is remembered; past that all are proven anew


class Caller(NamedTuple):
    """An authenticated caller."""

    tenant: str
    key_id: str
    mode: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Limits:
    """How often a key and a tenant may ask, and how often an address may come with a key that is not valid."""

    keys: Buckets
    tenants: Buckets
    failures: Buckets

    @classmethod
    def of(cls, settings: Settings, clock: Clock) -> Self:
        """Return the limits that the settings say."""
        a_minute = float(settings.edge_failed_attempts)
        return cls(
            keys=Buckets(settings.edge_key_rate, clock),
            tenants=Buckets(settings.edge_tenant_rate, clock),
            failures=Buckets(a_minute / 60, clock, burst=a_minute),
        )


class Authenticator:
    """Turns the key of a request into a caller, or refuses."""

    def __init__(
        self, directory: Directory, limits: Limits, addresses: CallerAddress, last_used: LastUsed, clock: Clock
    ) -> None:
        self._directory = directory
        self._limits = limits
        self._addresses = addresses
        self._last_used = last_used
        self._clock = clock
        self._proven: dict[bytes, KeyEntry] = {}  # SHA-256 of a whole key -> the entry it was proven against

    async def caller(self, request: Request, scope: Scope) -> Caller:
        """Return who calls.

        Raises Unauthenticated (no key, or none that is valid), Forbidden (naming the scope that is missing, or for an
        address that is not on the key's list) and TooManyRequests.
        """
        text = _key_text(request)
        if not text:
            raise Unauthenticated("Send your API key as `Authorization: Bearer cm_...` or `X-API-Key`.", code="no_key")
        digest = hashlib.sha256(text).digest()
        entry = self._proven.get(digest)
        if entry is None or self._directory.keys.peek(entry.key_id) is not entry:
            entry = await self._prove(request, text, digest, known=entry is not None)
        if not is_current(entry, self._clock.now()):
            self._proven.pop(digest, None)
            raise self._failed(request)
        if entry.allowed:
            self._check_address(request, entry)
        if entry.mode == TEST:
            request.scope[OF_TEST_KEY] = True
        return self._admitted(entry, scope)

    async def _prove(self, request: Request, text: bytes, digest: bytes, *, known: bool) -> KeyEntry:
        """Check a key against its entry as the directory has it now, and remember that it is the one.

        From an address that failed too often only keys that were proven before are looked up.
        """
        if not known and (wait := self._limits.failures.missing(home_of(self._addresses.of(request)))):
            raise _too_many_attempts(wait)
        key = parse_key(text.decode("latin-1"))
        entry = None if key is None else await self._directory.keys.get(key.key_id)
        if key is None or entry is None or not is_of(key, entry):
            self._proven.pop(digest, None)
            raise self._failed(request)
        if len(self._proven) >= PROVEN:
            self._proven.clear()
        self._proven[digest] = entry
        return entry

    def _failed(self, request: Request) -> ApiError:
        """Count a key that is not valid against the address it came from; -> the refusal."""
        wait = self._limits.failures.take(home_of(self._addresses.of(request)))
        return _too_many_attempts(wait) if wait else Unauthenticated("The API key is not valid.")

    def _check_address(self, request: Request, entry: KeyEntry) -> None:
        address = self._addresses.of(request)
        if address is None or not is_among(address, entry.allowed):
            words = "The API key may not be used from this address."
            raise Forbidden(words, code="address_not_allowed", more={"address": str(address) if address else None})

    def _admitted(self, entry: KeyEntry, scope: Scope) -> Caller:
        if scope not in entry.scopes:
            raise Forbidden(f"The API key lacks the scope {scope.value}.", more={"scope": scope.value})
        if wait := self._limits.keys.take(entry.key_id, entry.rate):
            raise TooManyRequests("The API key makes too many requests.", retry_after=_seconds(wait))
        if wait := self._limits.tenants.take(entry.tenant):
            words = "The keys of this tenant make too many requests together."
            raise TooManyRequests(words, code="tenant_rate_limited", retry_after=_seconds(wait))
        self._last_used.note(entry.key_id)
        return Caller(entry.tenant, entry.key_id, entry.mode, entry.scopes)


def _too_many_attempts(wait: float) -> TooManyRequests:
    words = "Too many calls with keys that are not valid came from this address."
    return TooManyRequests(words, code="too_many_attempts", retry_after=_seconds(wait))


def _seconds(wait: float) -> int:
    return max(1, math.ceil(wait))


def _key_text(request: Request) -> bytes:
    given = header(request, b"authorization")
    if given is not None and given[:7].lower() == b"bearer ":
        return given[7:].strip()
    return (header(request, b"x-api-key") or b"").strip()
