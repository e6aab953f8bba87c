"""Which accounts a key of the tenant reaches: a test key the sandbox's."""

from typing import Any

import pytest
from pydantic import SecretStr

from libs.directory.entries import AccountEntry
from libs.directory.reach import EVERYTHING, Reach, reach_of
from libs.web.errors import Invalid
from libs.web.identity import Identity
from services.templates.accounts import Accounts
from services.templates.errors import NoSuchAccount


class World:
    """A directory with an account at Meta, `1`, and perhaps one of the sandbox's, `2`."""

    def __init__(self, *wabas: str) -> None:
        self.wabas = frozenset(wabas)

    async def wabas_of(self, tenant: str) -> frozenset[str]:
        return self.wabas

    async def reach(self, tenant: str, mode: str) -> Reach:
        accounts = [{"waba_id": each, "sandbox": each == "2"} for each in self.wabas]
        return reach_of(accounts, ()) if mode == "test" else EVERYTHING

    async def account_now(self, tenant: str, waba_id: str) -> AccountEntry:
        return AccountEntry(
            tenant, waba_id, "active", SecretStr("x"), None, "p", None, False, waba_id == "2", None
        )  # fmt: skip


def accounts(*wabas: str) -> Accounts:
    world: Any = World(*wabas)
    return Accounts(world)


TEST, LIVE = (Identity("t", "k", frozenset(), mode) for mode in ("test", "live"))


async def test_a_sync_of_all_is_of_all_that_the_key_reaches() -> None:
    assert await accounts("1", "2").named(LIVE, None) == ["1", "2"]
    assert await accounts("1", "2").named(TEST, None) == ["2"]
    with pytest.raises(NoSuchAccount):
        await accounts("1").named(TEST, None)


async def test_to_a_test_key_an_account_at_meta_does_not_exist() -> None:
    assert await accounts("1", "2").named(LIVE, "1") == ["1"]
    assert await accounts("1", "2").named(TEST, "2") == ["2"]
    for who, waba_id in ((TEST, "1"), (LIVE, "3")):
        with pytest.raises(NoSuchAccount) as refusal:
            await accounts("1", "2").named(who, waba_id)
        assert str(refusal.value) == "You have no connected account with this id."


async def test_the_only_account_that_is_reached_need_not_be_named_and_others_are_no_choice() -> None:
    assert (await accounts("1", "2").chosen(TEST, None)).waba_id == "2"
    with pytest.raises(Invalid, match="1, 2"):
        await accounts("1", "2").chosen(LIVE, None)
