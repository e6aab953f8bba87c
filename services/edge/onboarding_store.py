"""Onboardings in MongoDB: which step each one has passed or failed in, so that the same call may go on after a failure.

The token of an exchanged code lies here, encrypted, until the account has it: the code itself works only once.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, IndexModel, ReturnDocument
from pymongo.errors import DuplicateKeyError

from libs.directory.directory import TOKEN_FIELD
from libs.directory.sealed import Sealed
from libs.directory.vault import Vault
from libs.mongo.client import Document, Mongo, outages
from services.edge.account_store import PIN_FIELD

ONBOARDINGS = "onboardings"
KEPT = timedelta(days=7)  # long enough to ask what went wrong last week
LEASE = timedelta(seconds=90)  # longer than all steps of a slow Meta together
INDEXES = {
    ONBOARDINGS: [
        IndexModel([("updated_at", ASCENDING)], name="forget", expireAfterSeconds=int(KEPT.total_seconds())),
        IndexModel([("tenant", ASCENDING), ("waba_id", ASCENDING)], name="account"),
    ]
}

SEALED = (
    Sealed(ONBOARDINGS, TOKEN_FIELD, lambda _: TOKEN_FIELD),
    Sealed(ONBOARDINGS, PIN_FIELD, lambda _: PIN_FIELD),
)


class Running(Exception):
    """Another call is at the same onboarding."""


@dataclass(slots=True)
class Run:
    """One onboarding under way, or done."""

    id: str
    tenant: str
    state: str
    waba_id: str | None = None
    token: str | None = None
    pin: str | None = None

    @property
    def done(self) -> bool:
        """Whether the account was connected by it."""
        return self.state == "done"


class OnboardingStore:
    """Writes the onboardings of tenants."""

    def __init__(self, mongo: Mongo, vault: Vault) -> None:
        self._mongo = mongo
        self._vault = vault

    async def begin(
        self, run_id: str, tenant: str, way: str, phone_number_id: str, now: datetime, *, sandbox: bool
    ) -> Run:
        """Take an onboarding up, at a simulated Meta or not, for the first time or again; raises Running."""
        free = {"_id": run_id, "tenant": tenant, "$or": [{"lease_until": None}, {"lease_until": {"$lt": now}}]}
        update = {
            "$set": {
                "lease_until": now + LEASE,
                "updated_at": now,
                "phone_number_id": phone_number_id,
                "sandbox": sandbox,
            },
            "$setOnInsert": {"way": way, "created_at": now, "state": "running", "steps": []},
        }
        try:
            with outages():
                row: Document = await self._mongo.collection(ONBOARDINGS).find_one_and_update(
                    free, update, upsert=True, return_document=ReturnDocument.AFTER
                )
        except DuplicateKeyError:
            raise Running from None
        return Run(
            run_id, tenant, row["state"], row.get("waba_id"),
            self._opened(tenant, TOKEN_FIELD, row), self._opened(tenant, PIN_FIELD, row),
        )  # fmt: skip

    async def keep_token(self, run: Run, token: str) -> None:
        """Keep an exchanged token until the account has it."""
        run.token = token
        await self._set(run, {TOKEN_FIELD: self._vault.encrypt(run.tenant, TOKEN_FIELD, token)})

    async def keep_pin(self, run: Run, pin: str) -> None:
        """Keep the PIN before Meta gets it: a number whose PIN nobody knows cannot be registered again."""
        run.pin = pin
        await self._set(run, {PIN_FIELD: self._vault.encrypt(run.tenant, PIN_FIELD, pin)})

    async def found(self, run: Run, waba_id: str) -> None:
        """Note which account it is about."""
        run.waba_id = waba_id
        await self._set(run, {"waba_id": waba_id})

    async def passed(self, run: Run, step: str, now: datetime) -> None:
        """Note that a step was passed."""
        await self._note(run, {"step": step, "status": "done", "at": now, "error": None}, {"state": "running"}, now)

    async def failed(self, run: Run, step: str, error: dict[str, Any], now: datetime) -> None:
        """Note in which step it failed, and why; the next call may go on at once."""
        line = {"step": step, "status": "failed", "at": now, "error": error}
        await self._note(run, line, {"state": "failed", "lease_until": None}, now)

    async def finish(self, run: Run, now: datetime) -> None:
        """The account is connected and has the token: forget it here."""
        changes = {"$set": {"state": "done", "lease_until": None, "updated_at": now}, "$unset": {TOKEN_FIELD: ""}}
        with outages():
            await self._mongo.collection(ONBOARDINGS).update_one({"_id": run.id, "tenant": run.tenant}, changes)

    async def release(self, run: Run) -> None:
        """Let the next call go on, whatever ended this one."""
        await self._set(run, {"lease_until": None})

    async def get(self, tenant: str, run_id: str) -> Document | None:
        """Return one onboarding as it is kept."""
        with outages():
            row: Document | None = await self._mongo.collection(ONBOARDINGS).find_one({"_id": run_id, "tenant": tenant})
        return row

    async def forget(self, tenant: str, waba_id: str) -> None:
        """Forget what is kept of an account that is disconnected: tokens and PINs among it."""
        with outages():
            await self._mongo.collection(ONBOARDINGS).delete_many({"tenant": tenant, "waba_id": waba_id})

    async def _note(self, run: Run, line: Document, changes: Document, now: datetime) -> None:
        query = {"_id": run.id, "tenant": run.tenant}
        rest = {"$filter": {"input": "$steps", "cond": {"$ne": ["$$this.step", line["step"]]}}}
        steps = {"$concatArrays": [rest, [{"$literal": line}]]}
        with outages():
            await self._mongo.collection(ONBOARDINGS).update_one(
                query, [{"$set": {"steps": steps, "updated_at": now, **changes}}]
            )

    async def _set(self, run: Run, changes: Document) -> None:
        with outages():
            await self._mongo.collection(ONBOARDINGS).update_one(
                {"_id": run.id, "tenant": run.tenant}, {"$set": changes}
            )

    def _opened(self, tenant: str, field: str, row: Document) -> str | None:
        sealed = row.get(field)
        return self._vault.decrypt(tenant, field, sealed) if sealed else None
