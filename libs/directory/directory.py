"""The read side of tenants, keys, accounts, numbers and templates, for every service.

Entries are cached for at most five seconds and forgotten at once when `accounts.changed.v1` or `templates.changed.v1`
tells of a change. Written by edge (keys, accounts, numbers), the templates service and autoreply (bots).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pydantic import SecretStr

from libs.directory.addresses import network
from libs.directory.cache import EntryCache
from libs.directory.entries import AccountEntry, KeyEntry, NumberEntry, TemplateEntry
from libs.directory.reach import EVERYTHING, TEST, Reach, reach_of
from libs.directory.vault import Vault
from libs.mongo.client import Mongo, outages
from libs.runtime.clock import Clock

KEYS = "keys"
ACCOUNTS = "accounts"
NUMBERS = "numbers"
TEMPLATES = "templates"
BOTS = "bots"

TOKEN_FIELD = "access_token"  # noqa: S105  # the name of a field, bound into its encryption
SECRET_FIELD = "app_secret"  # noqa: S105  # as above


class Directory:
    """Looks up single entries by their id; None where there is none. All raise MongoUnavailable."""

    def __init__(self, mongo: Mongo, vault: Vault | None, clock: Clock) -> None:
        self._mongo = mongo
        self._vault = vault
        self.keys: EntryCache[KeyEntry | None] = EntryCache(self._key, clock)
        self.accounts: EntryCache[AccountEntry | None] = EntryCache(self._account, clock)
        self.account_paths: EntryCache[AccountEntry | None] = EntryCache(self._account_by_path, clock)
        self.numbers: EntryCache[NumberEntry | None] = EntryCache(self._number, clock)
        self.numbers_of: EntryCache[tuple[NumberEntry, ...]] = EntryCache(self._numbers_of, clock)
        self._templates: EntryCache[tuple[TemplateEntry, ...]] = EntryCache(self._templates_named, clock)

    def peek_number(self, tenant: str, phone_number_id: str) -> NumberEntry | None:
        """Return the tenant's number if it is in the cache: nearly always, and without a task switch."""
        entry = self.numbers.peek(phone_number_id)
        return entry if entry is not None and entry.tenant == tenant else None

    async def number(self, tenant: str, phone_number_id: str) -> NumberEntry | None:
        """Return the tenant's number; another tenant's is None like one that does not exist."""
        entry = await self.numbers.get(phone_number_id)
        return entry if entry is not None and entry.tenant == tenant else None

    async def account(self, tenant: str, waba_id: str) -> AccountEntry | None:
        """Return the tenant's account."""
        entry = await self.accounts.get(waba_id)
        return entry if entry is not None and entry.tenant == tenant else None

    async def wabas_of(self, tenant: str) -> frozenset[str]:
        """Return the ids of the tenant's connected accounts, read past the cache.

        For cold paths, which may come right after a change whose event has not arrived yet.
        """
        connected = {"tenant": tenant, "owned": True, "status": {"$nin": ["connecting", "disconnected"]}}
        return frozenset(row["waba_id"] for row in await self._find(ACCOUNTS, connected))

    async def active_accounts(self) -> Sequence[AccountEntry]:
        """Return every account that may send, of all tenants: for jobs that go through them now and then."""
        return [self._account_entry(row) for row in await self._find(ACCOUNTS, {"owned": True, "status": "active"})]

    async def account_now(self, tenant: str, waba_id: str) -> AccountEntry | None:
        """Return the tenant's account, read past the cache; as `wabas_of`, for cold paths."""
        entry = await self._account(waba_id)
        return entry if entry is not None and entry.tenant == tenant else None

    async def numbers_now(self, tenant: str) -> Sequence[NumberEntry]:
        """Return the tenant's connected numbers, read past the cache; as `wabas_of`, for cold paths."""
        connected = {"tenant": tenant, "status": {"$nin": ["connecting", "disconnected"]}}
        return [_number_entry(row) for row in await self._find(NUMBERS, connected)]

    async def reach(self, tenant: str, mode: str) -> Reach:
        """Return what a key of this mode reaches, read past the cache; as `wabas_of`. A live key costs nothing."""
        if mode != TEST:
            return EVERYTHING
        accounts, numbers = await asyncio.gather(
            self._find(ACCOUNTS, {"tenant": tenant, "status": {"$ne": "connecting"}}, "waba_id", "sandbox"),
            self._find(NUMBERS, {"tenant": tenant}, "waba_id"),
        )
        return reach_of(accounts, numbers)

    async def numbers_reached(self, tenant: str, reach: Reach) -> list[str]:
        """Return the ids of the numbers that the tenant has, or had, as far as they are reached."""
        ids = [number.phone_number_id for number in await self.numbers_of.get(tenant)]
        return [each for each in ids if reach.has_number(each)]

    async def knows_bot(self, tenant: str, bot_id: str, reach: Reach) -> bool:
        """Tell whether the tenant has this bot and it is reached, read past the cache."""
        query = {"$and": [{"_id": bot_id, "tenant": tenant}, await self.bots_reached(tenant, reach)]}
        return bool(await self._find(BOTS, query, "_id"))

    async def bots_reached(self, tenant: str, reach: Reach) -> dict[str, Any]:
        """Return the condition that a bot is reached: by a test key, that a test key made it, and that it is linked to
        no number out of reach: a number that was disconnected keeps its bot, and has it again when it comes back.
        """
        if not reach.limited:
            return reach.by_maker({})
        numbers = await self._find(NUMBERS, {"tenant": tenant, "bot_id": {"$type": "string"}}, "bot_id")
        linked = {row["bot_id"] for row in numbers if not reach.has_number(row["_id"])}
        return {"mode": TEST, "_id": {"$nin": sorted(linked)}}

    async def templates(self, tenant: str, waba_id: str, name: str) -> Sequence[TemplateEntry]:
        """Return the template in all its languages."""
        return await self._templates.get("\x1f".join((tenant, waba_id, name)))

    def forget(
        self, *, tenant: str, waba_id: str | None = None, phone_number_id: str | None = None, key_id: str | None = None
    ) -> None:
        """Forget what an event says has changed."""
        if key_id is not None:
            self.keys.forget(key_id)
        if phone_number_id is not None:
            self.numbers.forget(phone_number_id)
        if waba_id is not None:
            self.accounts.forget(waba_id)
            self.account_paths.clear()
        self.numbers_of.forget(tenant)

    def forget_template(self, tenant: str, waba_id: str, name: str) -> None:
        """Forget a template that changed."""
        self._templates.forget("\x1f".join((tenant, waba_id, name)))

    async def _find(self, collection: str, query: dict[str, Any], *fields: str) -> list[dict[str, Any]]:
        """Return what fits, whole unless fields are named."""
        with outages():
            cursor = self._mongo.collection(collection).find(query, list(fields) or None)
            rows: list[dict[str, Any]] = await cursor.to_list(None)
        return rows

    async def _key(self, key_id: str) -> KeyEntry | None:
        rows = await self._find(KEYS, {"_id": key_id})
        return _key_entry(rows[0]) if rows else None

    async def _account(self, waba_id: str) -> AccountEntry | None:
        return await self._account_found({"waba_id": waba_id})

    async def _account_by_path(self, account_id: str) -> AccountEntry | None:
        return await self._account_found({"_id": account_id})

    async def _account_found(self, query: dict[str, Any]) -> AccountEntry | None:
        """Return an account; one that was connected otherwise before is no sandbox's, as `reach_of` has it."""
        rows = await self._find(ACCOUNTS, query | {"status": {"$ne": "disconnected"}})
        if not rows:
            return None
        entry = self._account_entry(rows[0])
        if entry.sandbox:
            before = {"tenant": entry.tenant, "waba_id": entry.waba_id, "status": "disconnected"}
            if await self._find(ACCOUNTS, before | {"sandbox": {"$ne": True}}, "_id"):
                return replace(entry, sandbox=False)
        return entry

    async def _number(self, phone_number_id: str) -> NumberEntry | None:
        rows = await self._find(NUMBERS, {"_id": phone_number_id, "status": {"$ne": "disconnected"}})
        return _number_entry(rows[0]) if rows else None

    async def _numbers_of(self, tenant: str) -> tuple[NumberEntry, ...]:
        return tuple(_number_entry(row) for row in await self._find(NUMBERS, {"tenant": tenant}))

    async def _templates_named(self, key: str) -> tuple[TemplateEntry, ...]:
        tenant, waba_id, name = key.split("\x1f")
        rows = await self._find(TEMPLATES, {"tenant": tenant, "waba_id": waba_id, "name": name, "removed": False})
        return tuple(_template_entry(row) for row in rows)

    def _account_entry(self, row: dict[str, Any]) -> AccountEntry:
        tenant = row["tenant"]
        token = self._open(tenant, TOKEN_FIELD, row.get(TOKEN_FIELD))
        secret = self._open(tenant, SECRET_FIELD, row.get(SECRET_FIELD))
        return AccountEntry(
            tenant=tenant,
            waba_id=row["waba_id"],
            status=row["status"],
            access_token=token or SecretStr(""),
            app_secret=secret,
            portfolio_id=row.get("portfolio_id") or row["waba_id"],
            messaging_limit=row.get("messaging_limit"),
            at_most_once=row.get("at_most_once", False),
            sandbox=row.get("sandbox", False),
            stop_reason=row.get("stop_reason"),
        )

    def _open(self, tenant: str, field: str, sealed: str | None) -> SecretStr | None:
        if sealed is None or self._vault is None:
            return None
        return SecretStr(self._vault.decrypt(tenant, field, sealed))


def _key_entry(row: dict[str, Any]) -> KeyEntry:
    return KeyEntry(
        key_id=row["_id"],
        tenant=row["tenant"],
        mode=row["mode"],
        scopes=frozenset(row["scopes"]),
        secret_hash=row["secret_hash"],
        expires_at=row.get("expires_at"),
        revoked_at=row.get("revoked_at"),
        allowed=tuple(network(each) for each in row.get("allowed_addresses") or ()),
        rate=row.get("rate_per_second"),
    )


def _number_entry(row: dict[str, Any]) -> NumberEntry:
    return NumberEntry(
        phone_number_id=row["_id"],
        tenant=row["tenant"],
        waba_id=row["waba_id"],
        status=row["status"],
        throughput=row.get("throughput", 80),
        stop_reason=row.get("stop_reason"),
        quality=row.get("quality_rating"),
        bot_id=row.get("bot_id"),
        autoreply=row.get("autoreply", False),
    )


def _template_entry(row: dict[str, Any]) -> TemplateEntry:
    return TemplateEntry(
        tenant=row["tenant"],
        waba_id=row["waba_id"],
        name=row["name"],
        language=row["language"],
        status=row["status"],
        category=row["category"],
        parameter_format=row.get("parameter_format", "POSITIONAL"),
        components=row.get("components", []),
    )
