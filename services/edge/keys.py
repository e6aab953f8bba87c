"""Making, rolling and revoking API keys, and telling every process that caches them."""

import contextlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from libs.directory.directory import Directory
from libs.kafka.bus import BusUnavailable
from libs.runtime.clock import Clock
from libs.runtime.ids import is_uuid, new_id
from libs.web.errors import Conflict, FieldProblem, Invalid, NotFound
from services.edge.announcements import Announcements
from services.edge.api_keys import Scope, new_key
from services.edge.key_store import KeyStore

Document = dict[str, Any]


class Keys:
    """The use cases around keys and tenants."""

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

    async def create(
        self, tenant: str, scopes: Sequence[Scope], mode: str, name: str, life: timedelta | None = None
    ) -> tuple[str, Document]:
        """Make a key; -> the key in the clear (shown once) and its record. Raises Invalid for an unknown tenant."""
        if not is_uuid(tenant) or not await self._store.tenant_exists(tenant):
            words = "There is no such tenant."
            raise Invalid(words, code="no_such_tenant", param="tenant", errors=[FieldProblem("tenant", words)])
        key, now = new_key(mode), self._clock.now()
        expires = now + life if life else None
        row = await self._store.add(key, tenant, [scope.value for scope in scopes], name, now, expires)
        await self._tell(tenant, "created", key.key_id)
        return key.text, row

    async def list(self, tenant: str) -> Sequence[Document]:
        """Return a tenant's keys."""
        return await self._store.list(tenant)

    async def roll(self, key_id: str, overlap: timedelta) -> tuple[str, Document]:
        """Make a successor with the same scopes; the old key ends after the overlap. Raises NotFound, Conflict."""
        old = await self._existing(key_id)
        if old["revoked_at"] is not None:
            raise Conflict("The key is revoked; make a new one.", code="key_revoked")
        scopes = [Scope(scope) for scope in old["scopes"]]
        text, row = await self.create(old["tenant"], scopes, old["mode"], old["name"])
        await self._store.end(key_id, self._clock.now() + overlap, "expires_at")
        await self._tell(old["tenant"], "rolled", key_id)
        return text, row

    async def revoke(self, key_id: str) -> Document:
        """End a key now. Raises NotFound."""
        old = await self._existing(key_id)
        row = await self._store.end(key_id, self._clock.now(), "revoked_at") or old
        await self._tell(row["tenant"], "revoked", key_id)
        return row

    async def _existing(self, key_id: str) -> Document:
        row = await self._store.get(key_id)
        if row is None:
            raise NotFound("There is no such key.", code="key_not_found")
        return row

    async def _tell(self, tenant: str, change: str, key_id: str) -> None:
        self._directory.forget(tenant=tenant, key_id=key_id)
        with contextlib.suppress(BusUnavailable):  # caches forget by themselves within five seconds
            await self._announcements.changed(tenant, "key", change, key_id=key_id)
