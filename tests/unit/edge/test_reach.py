"""Test keys and accounts at Meta itself: whichever way, no call of theirs gets there."""

from typing import Any, cast

import pytest
from pydantic import SecretStr

from libs.directory.entries import AccountEntry
from libs.directory.reach import Reach
from services.edge.auth import Caller
from services.edge.credentials import Credentials
from services.edge.errors import NoSuchAccount, NoSuchNumber, SandboxOnly
from services.edge.number_desk import NumberDesk
from services.edge.onboarding import Onboarding, Wish
from tests.support.reaching import reach_to


class World:
    """A store and a directory with one account, and a Meta that must not be asked."""

    def __init__(self, sandbox: bool) -> None:
        self.sandbox = sandbox

    async def number(self, tenant: str, phone_number_id: str) -> dict[str, Any]:
        return {"_id": phone_number_id, "tenant": tenant, "waba_id": "1", "status": "connected"}

    async def reach(self, tenant: str, mode: str) -> Reach:
        return reach_to("1", "2", sandbox=self.sandbox, mode=mode)

    async def profile(self, phone_number_id: str, token: str) -> dict[str, Any]:
        return {"about": "hi"}


class Stored(World):
    """As the store has the account."""

    async def account(self, tenant: str, waba_id: str) -> dict[str, Any]:
        return {"_id": "a", "waba_id": waba_id, "sandbox": self.sandbox}


class Looked(World):
    """As the directory has it."""

    async def account(self, tenant: str, waba_id: str) -> AccountEntry:
        return AccountEntry(tenant, waba_id, "active", SecretStr("x"), None, "p", None, False, self.sandbox, None)

    account_now = account


def desk(sandbox: bool) -> NumberDesk:
    parts: list[Any] = [Stored(sandbox), Looked(sandbox), World(sandbox), None, None]
    return NumberDesk(*parts)


TEST = Caller("t", "k", "test", frozenset())
CALLS: dict[str, tuple[Any, ...]] = {
    "get": (), "refresh": (), "register": ("123456",), "deregister": (), "set_pin": ("123456",),
    "request_code": ("SMS", "en_US"), "verify_code": ("123456",), "profile": (), "change_profile": ({},),
    "blocked": (20, None), "link_bot": (None,), "switch": (True,),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
async def test_no_call_of_a_test_key_reaches_a_number_at_meta(name: str) -> None:
    with pytest.raises(NoSuchNumber):
        await getattr(desk(sandbox=False), name)(TEST, "2", *CALLS[name])


async def test_blocking_does_not_either() -> None:
    with pytest.raises(NoSuchNumber):
        await desk(sandbox=False).block(TEST, "2", ["15551"], blocked=True)


async def test_live_keys_reach_both_and_test_keys_the_sandbox() -> None:
    assert await desk(sandbox=True).profile(TEST, "2") == {"about": "hi"}
    assert await desk(sandbox=False).profile(TEST._replace(mode="live"), "2") == {"about": "hi"}


async def test_a_test_key_neither_connects_nor_disconnects_an_account_at_meta() -> None:
    credentials = Credentials("1", "s", "v", "https://x", sandbox=False)
    parts: list[Any] = [None, Stored(False), None, Looked(False), None, credentials, None]
    onboarding = Onboarding(*parts)
    wish = Wish("t", "2", "1", mode="test")
    for call in (onboarding.manual(wish, "token"), onboarding.exchange(wish, "code")):
        with pytest.raises(SandboxOnly):
            await call
    with pytest.raises(NoSuchAccount):
        await cast(Any, onboarding).disconnect("t", "1", "test")
