"""Idempotency keys: on messages they stand on the record itself, for every other POST they are kept here.

One key, one answer: the same body gets the first answer again, another body is refused, and while the first call runs
the second is told to wait. A call that died leaves a lease; the next caller goes on after it. Test keys are a caller of
their own, apart from the live keys of their tenant.
"""

import asyncio
import contextlib
import hashlib
import re
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Protocol

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from libs.ledger.record import Idempotency
from libs.mongo.client import MongoUnavailable
from libs.runtime.clock import Clock
from libs.web.errors import ApiError, Invalid, KeyInUse, KeyReused, wrong
from libs.web.headers import header

HEADER = b"idempotency-key"
REPLAYED = "Idempotent-Replayed"
OF_TEST_KEY = "wabus.of_test_key"  # place in a scope that says that a test key asks
KEY_LIMIT = 255  # characters: room for any id of a client's, and far below what an index entry may hold
LEASE = timedelta(seconds=30)  # a first call that has not answered by then died
NOT_STORED = (401, 403, 408, 429, 502, 503, 504)  # answers that say "not processed": the next try is a first one

_FORM = re.compile(rf"[\x20-\x7e]{{1,{KEY_LIMIT}}}")


class Kept(BaseModel):
    """A stored answer."""

    status: int
    body: str
    media_type: str | None
    digest: str | None = None  # of a body that was passed on without being held


def key_of(request: Request, asked: bytes) -> Idempotency | None:
    """Read the key of a request with the fingerprint of what it asks; raises Invalid where it is no key."""
    given = header(request, HEADER)
    if given is None:
        return None
    key = given.decode("latin-1")
    if not _FORM.fullmatch(key):
        raise _no_key("Idempotency-Key")
    key = namespaced(key, test=OF_TEST_KEY in request.scope)
    return Idempotency(key, fingerprint(request.scope["method"], request.scope["path"], asked))


def namespaced(key: str, *, test: bool) -> str:
    """Return what a key is kept under: test keys have a space of their own, so that none gets a live key's answer."""
    return f"\x1e{key}" if test else key


def fingerprint(method: str, path: str, raw: bytes) -> str:
    """Return what tells two requests under one key apart."""
    return hashlib.sha256(b"\x00".join((method.encode(), path.encode(), raw))).hexdigest()


def reused() -> KeyReused:
    """Return the refusal of a key that came with another body."""
    return KeyReused("This idempotency key was used with another request.", param="Idempotency-Key")


class Keeping(Protocol):
    """Where keys stand: a lease while the call runs, then its answer."""

    async def begin(
        self, tenant: str, idempotency: Idempotency, now: datetime, lease: timedelta
    ) -> dict[str, Any] | None:
        """Take the key for a call; -> None when it is ours now, else what stands under it."""

    async def renew(self, tenant: str, idempotency: Idempotency, until: datetime) -> None:
        """Lengthen the lease of a call that still runs."""

    async def finish(self, tenant: str, idempotency: Idempotency, answer: dict[str, Any]) -> None:
        """Keep the call's answer."""

    async def forget(self, tenant: str, idempotency: Idempotency) -> None:
        """Free the key: its call did not do anything."""


def check_same(first: dict[str, Any], asked: Idempotency | None) -> None:
    """Raise KeyReused where the message that was first stored under a key came from another request."""
    kept = first.get("idempotency")
    if asked is not None and kept and kept["fingerprint"] != asked.fingerprint:
        raise reused()


def item_key(text: object) -> str:
    """Read the key of one message of a list; raises Invalid where it is no key."""
    if not isinstance(text, str) or not _FORM.fullmatch(text):
        raise _no_key("idempotency_key")
    return text


def _no_key(place: str) -> Invalid:
    return wrong(place, f"Must have 1 to {KEY_LIMIT} printable ASCII characters.")


class IdempotencyGuard:
    """Runs a call once per tenant and key."""

    def __init__(self, store: Keeping, clock: Clock, lease: timedelta = LEASE) -> None:
        self._store = store
        self._clock = clock
        self._lease = lease

    async def once(
        self,
        tenant: str,
        idempotency: Idempotency | None,
        call: Callable[[], Awaitable[Response]],
        same: Callable[[Kept], Awaitable[bool]] | None = None,
        digest: Callable[[], str | None] = lambda: None,
    ) -> Response:
        """Answer with the call's answer, or with the stored one of its first run; raises KeyReused and KeyInUse.

        `same` compares with the first run what no fingerprint could hold before it ran: it gets the stored answer, with
        what `digest` told once it had run.
        """
        if idempotency is None:
            return await call()
        first = await self._store.begin(tenant, idempotency, self._clock.now(), self._lease)
        if first is not None:
            kept = _kept(first, idempotency)
            if same is not None and not await same(kept):
                raise reused()
            return Response(kept.body, kept.status, {REPLAYED: "true"}, kept.media_type)
        renewing = asyncio.create_task(self._renew(tenant, idempotency))
        try:
            answer = await call()
        except (ApiError, asyncio.CancelledError):
            await asyncio.shield(self._store.forget(tenant, idempotency))
            raise
        finally:
            renewing.cancel()
        if answer.status_code in NOT_STORED or answer.status_code >= 500 or not hasattr(answer, "body"):
            await self._store.forget(tenant, idempotency)
        else:
            kept = Kept(
                status=answer.status_code, body=bytes(answer.body).decode(), media_type=answer.media_type,
                digest=digest(),
            )  # fmt: skip
            await self._store.finish(tenant, idempotency, kept.model_dump())
        return answer

    async def _renew(self, tenant: str, idempotency: Idempotency) -> None:
        """Hold the lease while the call runs: an upload may take minutes."""
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            with contextlib.suppress(MongoUnavailable):
                await self._store.renew(tenant, idempotency, self._clock.now() + self._lease)


def _kept(first: dict[str, Any], idempotency: Idempotency) -> Kept:
    if first["fingerprint"] != idempotency.fingerprint:
        raise reused()
    if "answer" not in first:
        raise KeyInUse("A call with this idempotency key is still running.", retry_after=1)
    return Kept.model_validate(first["answer"])
