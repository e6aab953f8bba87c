"""Everything that is kept encrypted, encrypted anew on a real mongod while stores go on writing."""

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deploy.keyring.places import STORES, declared
from deploy.keyring.verdict import judge
from libs.directory.directory import ACCOUNTS, BOTS
from libs.directory.reach import EVERYTHING
from libs.directory.resealing import BATCH, Resealing
from libs.directory.vault import Vault
from libs.egress.rotation import RotateBody, SigningSecrets
from libs.ledger.record import Idempotency
from libs.mongo.client import Mongo
from libs.runtime.clock import SystemClock
from libs.runtime.ids import new_id
from services.autoreply.bot_store import BotStore, key_field, signing_field
from services.edge.account_store import AccountStore
from services.edge.idempotency_store import IdempotencyStore
from services.edge.onboarding_store import OnboardingStore
from services.notifier.endpoint_store import ENDPOINTS, EndpointStore, secret_field

ROOT = Path(__file__).parents[3]
A = "A:" + base64.b64encode(b"a" * 32).decode()
B = "B:" + base64.b64encode(b"b" * 32).decode()
OTHER_A = "A:" + base64.b64encode(b"x" * 32).decode()
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
T = "tenant"


@pytest.fixture
async def mongo(mongo_url: str) -> AsyncIterator[Mongo]:
    opened = Mongo(mongo_url, f"t-{new_id()[-30:]}")
    await opened.start()
    yield opened
    await opened.stop()


@dataclass
class Kept:
    """One of everything that is kept encrypted, made with a ring, and how each is read with another one."""

    mongo: Mongo
    endpoint: str = "endpoint"

    async def make(self, vault: Vault) -> None:
        accounts, runs = AccountStore(self.mongo, vault), OnboardingStore(self.mongo, vault)
        await accounts.prepare(T, "1", "token", "secret", NOW)
        await accounts.take_number(T, "1", {"_id": "2", "status": "connected"}, NOW, "123456")
        run = await runs.begin("run", T, "manual", "2", NOW, sandbox=False)
        await runs.keep_token(run, "exchanged")
        await runs.keep_pin(run, "654321")
        await runs.release(run)
        answers = IdempotencyStore(self.mongo, vault)
        await answers.begin(T, Idempotency("key", "print"), NOW, timedelta(seconds=1))
        await answers.finish(T, Idempotency("key", "print"), {"status": 201, "body": "answer"})
        await EndpointStore(self.mongo).add(self._endpoint(vault, self.endpoint))
        await BotStore(self.mongo).add(self._bot(vault))

    def _endpoint(self, vault: Vault, name: str) -> dict[str, Any]:
        secrets = SigningSecrets(vault, T, secret_field(name))
        _, kept = secrets.first()
        return {"_id": name, "tenant": T, "secrets": secrets.rotated(kept, NOW, 3600)[1]}

    def _bot(self, vault: Vault) -> dict[str, Any]:
        bot: dict[str, Any] = {"_id": "bot", "tenant": T}
        bot["key"] = {"sealed": vault.encrypt(T, key_field(bot), "model-key"), "ends_in": "-key"}
        bot["secrets"] = SigningSecrets(vault, T, signing_field(bot)).first()[1]
        return bot

    async def read(self, vault: Vault) -> list[Any]:
        """Return all of it in the clear; raises CannotDecrypt."""
        accounts, runs = AccountStore(self.mongo, vault), OnboardingStore(self.mongo, vault)
        row = await self.mongo.collection(ACCOUNTS).find_one({"waba_id": "1"}) or {}
        run = await runs.begin("run", T, "manual", "2", NOW, sandbox=False)
        await runs.release(run)
        kept = await IdempotencyStore(self.mongo, vault).begin(T, Idempotency("key", "print"), NOW, timedelta(0))
        bot = await BotStore(self.mongo).get(T, "bot") or {}
        endpoint = await EndpointStore(self.mongo).get(T, self.endpoint, EVERYTHING) or {}
        return [
            vault.decrypt(T, "access_token", row["access_token"]), vault.decrypt(T, "app_secret", row["app_secret"]),
            accounts.pin_of(await accounts.number(T, "2") or {}), run.token, run.pin, (kept or {})["answer"]["body"],
            SigningSecrets(vault, T, secret_field(self.endpoint)).valid(endpoint["secrets"], NOW),
            vault.decrypt(T, key_field(bot), bot["key"]["sealed"]),
            SigningSecrets(vault, T, signing_field(bot)).valid(bot["secrets"], NOW),
        ]  # fmt: skip


async def everything(mongo: Mongo) -> list[str]:
    """Return every text of the whole database."""
    found: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, str):
            found.append(value)
        for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            walk(each)

    for name in await mongo._database().list_collection_names():
        async for row in mongo.collection(name).find():
            walk(row)
    return found


def resealing(mongo: Mongo, ring: str) -> Resealing:
    return Resealing(mongo, Vault(ring), declared())


async def rotated(mongo: Mongo, ring: str) -> int:
    return await resealing(mongo, ring).rotate(lambda _: None)


async def test_all_that_was_encrypted_with_the_old_key_is_readable_with_the_new_one_alone(mongo: Mongo) -> None:
    kept = Kept(mongo)
    await kept.make(Vault(A))
    before = await kept.read(Vault(A))
    texts = len([text for text in await everything(mongo) if text.startswith("A:")])
    assert await rotated(mongo, f"{B},{A}") == texts == 10
    assert [text for text in await everything(mongo) if text.startswith("A:")] == []
    assert await kept.read(Vault(B)) == before
    assert await rotated(mongo, f"{B},{A}") == 0


async def test_the_verdict_says_which_key_may_leave_the_ring_and_which_is_missing(mongo: Mongo) -> None:
    await Kept(mongo).make(Vault(A))
    ring = Vault(f"{B},{A}")
    before = judge(ring, await resealing(mongo, f"{B},{A}").found())
    assert (before.removable, before.problems, before.left) == ([], [], 10)
    without = judge(Vault(B), await resealing(mongo, B).found())
    assert without.left == 0
    assert (
        "2 of webhook_endpoints.secrets.sealed were encrypted with the key `A`, which is not on the ring: put it "
        in ("\n".join(without.problems))
    )
    wrong = judge(Vault(f"{B},{OTHER_A}"), await resealing(mongo, f"{B},{OTHER_A}").found())
    said = "1 of accounts.access_token name the key `A`, and the ring has another key under this id"
    assert said in "\n".join(wrong.problems)
    assert wrong.left == 0
    await rotated(mongo, f"{B},{A}")
    after = judge(ring, await resealing(mongo, f"{B},{A}").found())
    assert (after.removable, after.problems, after.left) == (["A"], [], 0)


async def test_what_the_ring_cannot_read_is_left_as_it_is_and_everything_else_is_done(mongo: Mongo) -> None:
    kept = Kept(mongo)
    await kept.make(Vault(A))
    rows = [
        {"_id": f"{n:05}", "tenant": T, "access_token": Vault(A).encrypt(T, "access_token", str(n))} for n in range(9)
    ]
    lost = {"_id": "00004x", "tenant": T, "access_token": "Z:AAAA"}
    await mongo.collection(ACCOUNTS).insert_many([*rows, lost])
    assert await rotated(mongo, f"{B},{A}") == 19
    assert (await mongo.collection(ACCOUNTS).find_one({"_id": "00004x"}) or {})["access_token"] == "Z:AAAA"
    assert await rotated(mongo, f"{B},{OTHER_A}") == 0


async def test_it_goes_on_where_it_was_cut_off(mongo: Mongo) -> None:
    count = 2 * BATCH + 7
    rows = [
        {"_id": f"{n:05}", "tenant": T, "access_token": Vault(A).encrypt(T, "access_token", str(n))}
        for n in range(count)
    ]
    await mongo.collection(ACCOUNTS).insert_many(rows)

    def cut(_: str) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        await resealing(mongo, f"{B},{A}").rotate(cut)
    assert await rotated(mongo, f"{B},{A}") == count - BATCH
    async for row in mongo.collection(ACCOUNTS).find():
        assert Vault(B).decrypt(T, "access_token", row["access_token"]) == str(int(row["_id"]))


async def test_secrets_that_are_rotated_and_tokens_that_change_meanwhile_are_the_ones_that_stand(mongo: Mongo) -> None:
    ring, clock = Vault(f"{B},{A}"), SystemClock()
    kept, old, accounts = Kept(mongo), Vault(f"{A},{B}"), AccountStore(mongo, Vault(f"{A},{B}"))
    await kept.make(Vault(A))
    endpoints, given = EndpointStore(mongo), [""]
    secrets = SigningSecrets(old, T, secret_field("endpoint"))  # a process that was not restarted yet
    stop = asyncio.Event()

    async def current() -> list[dict[str, Any]]:
        return list((await endpoints.get(T, "endpoint", EVERYTHING) or {})["secrets"])

    async def replace(before: list[dict[str, Any]], after: list[dict[str, Any]], now: datetime) -> Any:
        return await endpoints.rotate(T, "endpoint", before, after, now)

    async def rotate_secrets() -> int:
        count = 0
        while not stop.is_set():
            _, given[0] = await secrets.rotate(current, replace, clock, 60)
            await accounts.prepare(T, "1", f"token-{count}", None, NOW)
            count += 1
        return count

    async def reseal() -> int:
        changed = 0
        for _ in range(40):
            changed += await Resealing(mongo, ring, declared()).rotate(lambda _: None)
        stop.set()
        return changed

    rotations, changed = await asyncio.gather(rotate_secrets(), reseal())
    assert rotations > 10
    assert changed > 10
    assert secrets.valid(await current(), clock.now())[0] == given[0]
    row = await mongo.collection(ACCOUNTS).find_one({"waba_id": "1"}) or {}
    assert ring.decrypt(T, "access_token", row["access_token"]) == f"token-{rotations - 1}"
    await rotated(mongo, f"{B},{A}")
    assert not [text for text in await everything(mongo) if text.startswith("A:")]
    assert RotateBody().overlap_seconds > 0


async def test_a_text_that_was_replaced_after_it_was_read_is_not_put_back(mongo: Mongo) -> None:
    await mongo.collection(ENDPOINTS).insert_one(Kept(mongo)._endpoint(Vault(A), "e"))
    [place] = [place for place in declared() if place.collection == ENDPOINTS]
    row = await mongo.collection(ENDPOINTS).find_one({"_id": "e"}) or {}
    stale = Resealing(mongo, Vault(f"{B},{A}"), [place])._updates(place, row)
    await mongo.collection(ENDPOINTS).update_one({"_id": "e"}, {"$set": {"secrets": [{"sealed": "B:new"}]}})
    result = await mongo.collection(ENDPOINTS).bulk_write(stale, ordered=False)
    assert (len(stale), result.matched_count) == (2, 0)


def test_every_module_that_encrypts_what_it_keeps_declares_where() -> None:
    def ends(pattern: str) -> Callable[[Path], bool]:
        return lambda path: re.search(pattern, path.read_text(), re.M) is not None

    files = [path for folder in ("services", "libs") for path in (ROOT / folder).rglob("*.py")]
    declaring = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files if ends(r"^SEALED\b")(path)}
    assert declaring == set(STORES)
    # Who encrypts, and which store has the place. A new one belongs here, with its place in a store's SEALED.
    # But for the cursors: nobody keeps them.
    assert {str(path.relative_to(ROOT)) for path in files if ends(r"vault\.encrypt\(")(path)} == {
        "services/edge/account_store.py", "services/edge/onboarding_store.py", "services/edge/idempotency_store.py",
        "libs/egress/rotation.py", "libs/directory/resealing.py", "services/autoreply/bot_secrets.py",
        "services/edge/dead_letter_cursors.py",
    }  # fmt: skip
    assert {place.collection for place in declared()} >= {ACCOUNTS, BOTS, ENDPOINTS}
