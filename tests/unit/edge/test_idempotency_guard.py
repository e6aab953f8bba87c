import asyncio
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from starlette.responses import Response

from libs.ledger.record import Idempotency
from libs.runtime.clock import SystemClock
from libs.web.errors import BadRequest, KeyInUse, KeyReused
from services.edge.idempotency import IdempotencyGuard, Kept

LEASE = timedelta(seconds=0.15)
KEY = Idempotency("k", "fingerprint")


class Memory:
    """Keeps keys in memory, by the rules of the store."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}

    async def begin(
        self, tenant: str, idempotency: Idempotency, now: datetime, lease: timedelta
    ) -> dict[str, Any] | None:
        """Take the key unless it is held or answered."""
        row = self.rows.get(idempotency.key)
        if row is not None and ("answer" in row or row["lease_until"] > now):
            return row
        self.rows[idempotency.key] = {"fingerprint": idempotency.fingerprint, "lease_until": now + lease}
        return None

    async def renew(self, tenant: str, idempotency: Idempotency, until: datetime) -> None:
        """Lengthen the lease."""
        self.rows[idempotency.key]["lease_until"] = until

    async def finish(self, tenant: str, idempotency: Idempotency, answer: dict[str, Any]) -> None:
        """Keep the answer."""
        self.rows[idempotency.key]["answer"] = answer

    async def forget(self, tenant: str, idempotency: Idempotency) -> None:
        """Free the key."""
        del self.rows[idempotency.key]


def guard_of(memory: Memory) -> IdempotencyGuard:
    return IdempotencyGuard(memory, SystemClock(), LEASE)


async def done() -> Response:
    return Response(json.dumps({"sha256": "aa"}), 201)


async def test_a_call_that_outlives_its_lease_keeps_it() -> None:
    guard, release = guard_of(Memory()), asyncio.Event()

    async def slow() -> Response:
        await release.wait()
        return await done()

    first = asyncio.create_task(guard.once("t", KEY, slow))
    end = asyncio.get_running_loop().time() + 3 * LEASE.total_seconds()
    refusals = 0
    while asyncio.get_running_loop().time() < end:
        await asyncio.sleep(0.02)
        with pytest.raises(KeyInUse):
            await guard.once("t", KEY, done)
        refusals += 1
    assert refusals > 3
    release.set()
    assert (await first).status_code == 201
    assert (await guard.once("t", KEY, done)).headers["Idempotent-Replayed"] == "true"


async def test_a_call_that_was_refused_or_cut_off_frees_its_key() -> None:
    memory = Memory()
    guard = guard_of(memory)

    async def refused() -> Response:
        raise BadRequest("no")

    async def endless() -> Response:
        await asyncio.Event().wait()
        return await done()

    with pytest.raises(BadRequest):
        await guard.once("t", KEY, refused)
    assert memory.rows == {}
    call = asyncio.create_task(guard.once("t", KEY, endless))
    await asyncio.sleep(0.01)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert memory.rows == {}


async def test_what_no_fingerprint_could_hold_is_compared_with_the_first_answer() -> None:
    guard = guard_of(Memory())
    await guard.once("t", KEY, done)

    def file_of(digest: str) -> Any:
        async def same(first: Kept) -> bool:
            return bool(json.loads(first.body)["sha256"] == digest)

        return same

    assert (await guard.once("t", KEY, done, file_of("aa"))).status_code == 201
    with pytest.raises(KeyReused):
        await guard.once("t", KEY, done, file_of("bb"))
