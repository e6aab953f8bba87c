"""Making, rolling and revoking API keys, and telling every process that caches them."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from libs.directory.directory import Directory
from libs.directory.reach import TEST
from libs.kafka.bus import BusUnavailable
from libs.runtime.clock import Clock
from libs.runtime.ids import is_uuid, new_id
from libs.web.errors import BadRequest, Conflict, FieldProblem, Forbidden, Invalid, NotFound
from services.edge.announcements import Announcements
from services.edge.api_keys import Scope, new_key
from services.edge.errors import SandboxOnly
from services.edge.key_store import KeyStore

Document = dict[str, Any]

LONGEST = timedelta(days=100 * 366)  # of a key's life: added to now by a roll it is still a date


@dataclass(frozen=True, slots=True)
class KeyWish:
    """What a new key is to be. No addresses: it may come from any; no rate: the one that every key has."""

    name: str
    mode: str
    scopes: Sequence[Scope]
    expires_at: datetime | None = None
    allowed_addresses: Sequence[str] = ()
    rate_per_second: int | None = None


@dataclass(frozen=True, slots=True)
class Giver:
    """The key that makes or ends others: it manages its own tenant's, and none that may more than itself.

    To a test key there are no others than test keys.
    """

    tenant: str
    mode: str
    scopes: frozenset[str]

    @property
    def manages(self) -> str | None:
        """The mode of the keys that it manages; None for both."""
        return TEST if self.mode == TEST else None

    def check(self, mode: str, scopes: Sequence[str]) -> None:
        """Raise SandboxOnly where a test key would make a live one, Forbidden for a scope that only an admin gives."""
        if self.manages not in (None, mode):
            raise SandboxOnly("A test key makes test keys only.", param="mode")
        if Scope.ADMIN in scopes and Scope.ADMIN not in self.scopes:
            raise Forbidden(f"Only an admin key gives the scope {Scope.ADMIN.value}.", param="scopes")


class Keys:
    """The use cases around keys and tenants. Without a `giver` it is our own tools that ask, for any tenant."""

    def __init__(self, store: KeyStore, directory: Directory, announcements: Announcements, clock: Clock) -> None:
        self._store = store
        self._directory = directory
        self._announcements = announcements
        self._clock = clock

    async def add_tenant(self, name: str) -> Document:
        """Make a tenant."""
        return await self._store.add_tenant(new_id(), name, self._clock.now())

    async def tenants(self) -> Sequence[Document]:
        """Return all tenants."""
        return await self._store.tenants()

    async def create(self, tenant: str, wish: KeyWish, giver: Giver | None = None) -> tuple[str, Document]:
        """Make a key; -> the key in the clear (shown once) and its record.

        Raises Invalid for an unknown tenant or a time that has passed, and what `Giver.check` raises.
        """
        if giver is not None:
            giver.check(wish.mode, wish.scopes)
        elif not is_uuid(tenant) or not await self._store.tenant_exists(tenant):
            raise _wrong("tenant", "There is no such tenant.", "no_such_tenant")
        if wish.expires_at is not None and not timedelta(0) < wish.expires_at - self._clock.now() <= LONGEST:
            raise _wrong("expires_at", "Must be a time to come, within a hundred years.")
        return await self._make(tenant, wish)

    async def list(self, tenant: str) -> Sequence[Document]:
        """Return a tenant's keys."""
        return await self._store.all_of(tenant)

    async def page(self, giver: Giver, limit: int, after: str | None) -> Sequence[Document]:
        """Return a page of the keys that a key manages, newest first; raises BadRequest for a cursor that is none."""
        last = await self._found(after, giver) if after is not None else None
        if after is not None and last is None:
            words = "starting_after must be the id of the last row of the page before."
            raise BadRequest(words, param="starting_after")
        return await self._store.page(giver.tenant, limit, last, giver.manages)

    async def get(self, key_id: str, giver: Giver | None) -> Document:
        """Return one of the keys that a key manages. Raises NotFound."""
        row = await self._found(key_id, giver)
        if row is None:
            raise NotFound("There is no such key.", code="key_not_found", param="key_id")
        return row

    async def roll(self, key_id: str, overlap: timedelta, giver: Giver | None = None) -> tuple[str, Document]:
        """Make a successor that is and may the same, and lives as long; the old key ends after the overlap.

        Raises NotFound, Conflict (it is revoked), and what `Giver.check` raises.
        """
        old = await self._managed(key_id, giver)
        if old["revoked_at"] is not None:
            raise Conflict("The key is revoked; make a new one.", code="key_revoked")
        now = self._clock.now()
        life = old.get("lifetime")
        wish = KeyWish(
            old["name"], old["mode"], [Scope(scope) for scope in old["scopes"]],
            now + timedelta(seconds=life) if life else None, old.get("allowed_addresses") or (),
            old.get("rate_per_second"),
        )  # fmt: skip
        made = await self._make(old["tenant"], wish)
        await self._store.end(key_id, now + overlap, "expires_at")
        await self._tell(old["tenant"], "rolled", key_id)
        return made

    async def revoke(self, key_id: str, giver: Giver | None = None) -> Document:
        """End a key now; one that is ended stays as it is. Raises NotFound, and what `Giver.check` raises."""
        old = await self._managed(key_id, giver)
        row = await self._store.end(key_id, self._clock.now(), "revoked_at") or old
        await self._tell(row["tenant"], "revoked", key_id)
        return row

    async def _make(self, tenant: str, wish: KeyWish) -> tuple[str, Document]:
        key, now = new_key(wish.mode), self._clock.now()
        document = {
            "name": wish.name, "scopes": sorted({scope.value for scope in wish.scopes}), "created_at": now,
            "expires_at": wish.expires_at, "lifetime": _seconds(wish.expires_at, now),
            "allowed_addresses": list(wish.allowed_addresses), "rate_per_second": wish.rate_per_second,
        }  # fmt: skip
        row = await self._store.add(key, tenant, document)
        await self._tell(tenant, "created", key.key_id)
        return key.text, row

    async def _managed(self, key_id: str, giver: Giver | None) -> Document:
        row = await self.get(key_id, giver)
        if giver is not None:
            giver.check(row["mode"], row["scopes"])
        return row

    async def _found(self, key_id: str, giver: Giver | None) -> Document | None:
        row = await self._store.get(key_id, None if giver is None else giver.tenant)
        managed = row is not None and (giver is None or giver.manages in (None, row["mode"]))
        return row if managed else None

    async def _tell(self, tenant: str, change: str, key_id: str) -> None:
        self._directory.forget(tenant=tenant, key_id=key_id)
        with contextlib.suppress(BusUnavailable):  # caches forget by themselves within five seconds
            await self._announcements.changed(tenant, "key", change, key_id=key_id)


def _seconds(until: datetime | None, now: datetime) -> int | None:
    return None if until is None else max(1, round((until - now).total_seconds()))


def _wrong(field: str, words: str, code: str = "invalid_field") -> Invalid:
    return Invalid(f"{field}: {words}", code=code, param=field, errors=[FieldProblem(field, words)])
