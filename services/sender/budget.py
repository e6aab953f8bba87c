"""A portfolio's daily budget of people, asked right before the claim: templates to people outside their window."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from libs.directory.entries import AccountEntry
from libs.ledger.budget import Budget
from libs.ledger.contacts import Contact, alias

LATER = timedelta(minutes=1)  # until the next try where no time is known: Meta may let a portfolio reach nobody


class _Wanted(Protocol):
    """A message with the account whose portfolio it may cost."""

    @property
    def record(self) -> dict[str, Any]: ...

    @property
    def account(self) -> AccountEntry: ...


class BudgetDesk:
    """Reserves the people of limited portfolios; unlimited ones cost nothing."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._turn = asyncio.Lock()  # groups that reserve side by side would only begin anew

    async def check(
        self, wanted: Sequence[_Wanted], known: Mapping[str, Contact], now: datetime
    ) -> dict[str, datetime]:
        """Reserve whom these messages reach; -> message id -> when one that does not fit may go."""
        portfolios: dict[str, list[_Wanted]] = {}
        for it in wanted:
            if it.account.messaging_limit is not None and _outside(it.record, known, now):
                portfolios.setdefault(it.account.portfolio_id, []).append(it)
        over: dict[str, datetime] = {}
        for portfolio_id, group in portfolios.items():
            over |= await self._portfolio(portfolio_id, group, now)
        return over

    async def _portfolio(self, portfolio_id: str, group: list[_Wanted], now: datetime) -> dict[str, datetime]:
        limit = min(it.account.messaging_limit or 0 for it in group)
        async with self._turn:
            people = [it.record["contact_id"] for it in group]
            allowed = await self._budget.reserve(portfolio_id, people, limit, now)
        over = [it.record["_id"] for it in group if it.record["contact_id"] not in allowed]
        if not over:
            return {}
        free = await self._budget.next_free(portfolio_id, now)
        return dict.fromkeys(over, free if free > now else now + LATER)


def _outside(record: dict[str, Any], known: Mapping[str, Contact], now: datetime) -> bool:
    if "template" not in record:
        return False
    contact = known.get(alias(record["tenant"], record["recipient"]))
    return contact is None or not contact.window(record["phone_number_id"]).is_open(now)
