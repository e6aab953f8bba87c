"""Who changes what all accounts of a tenant have in common."""

from typing import Any

import pytest

from libs.directory.reach import EVERYTHING, TEST, Reach, reach_of
from services.edge.auth import Caller
from services.edge.common_things import CommonThings
from services.edge.errors import SandboxOnly

LIVE, SANDBOX = {"waba_id": "1", "sandbox": False}, {"waba_id": "2", "sandbox": True}
CALLER = Caller("t", "k", TEST, frozenset())


class Accounts:
    """The accounts of a tenant."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.rows = rows

    async def reach(self, tenant: str, mode: str) -> Reach:
        return reach_of(self.rows, ()) if mode == TEST else EVERYTHING


def things(*rows: dict[str, Any], sandbox: bool) -> CommonThings:
    accounts: Any = Accounts(*rows)
    return CommonThings(accounts, sandbox)


@pytest.mark.parametrize("rows", [(), (SANDBOX,)])
async def test_a_test_key_does_while_there_is_nothing_but_sandboxes(rows: tuple[dict[str, Any], ...]) -> None:
    await things(*rows, sandbox=True).check(CALLER)


@pytest.mark.parametrize(
    ("rows", "sandbox"), [((LIVE, SANDBOX), True), ((LIVE,), False), ((), False), ((SANDBOX,), False)]
)
async def test_a_test_key_does_not_where_there_are_live_accounts_or_will_be(
    rows: tuple[dict[str, Any], ...], sandbox: bool
) -> None:
    with pytest.raises(SandboxOnly):
        await things(*rows, sandbox=sandbox).check(CALLER)
    await things(*rows, sandbox=sandbox).check(CALLER._replace(mode="live"))
