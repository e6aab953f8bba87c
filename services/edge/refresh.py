"""Reading accounts and numbers from Meta again: quality, tier, throughput and status are never long out of date.

Webhooks tell most of it at once; some of it (health, verification, display names) Meta tells only when it is asked.
"""

from datetime import timedelta
from typing import Any, Protocol

import structlog

from libs.directory.directory import Directory
from libs.graph.errors import GraphRefused, GraphUnavailable, Policy
from libs.kafka.bus import BusUnavailable
from libs.runtime.clock import Clock
from libs.runtime.periodic import Periodic
from services.edge.meta_facts import account_facts, number_facts

LOOK_EVERY = 60.0  # seconds between looks for accounts whose turn it is
AT_ONCE = 20  # accounts a look: a thousand accounts are through in an hour, well under Meta's limits
MENDED = ("token_invalid", "permission_missing")  # reasons of a stop that a successful read disproves

Document = dict[str, Any]
log = structlog.get_logger()


class Graph(Protocol):
    """What is asked of Graph."""

    async def account(self, waba_id: str, token: str) -> Document:
        """Read the account."""
        ...

    async def numbers(self, waba_id: str, token: str) -> list[Document]:
        """Read its numbers."""
        ...


class Accounts(Protocol):
    """Where accounts and numbers are kept."""

    async def to_refresh(self, before: Any, most: int) -> list[Document]:
        """Return the accounts whose turn it is."""
        ...

    async def numbers_of(self, waba_id: str) -> list[Document]:
        """Return the connected numbers of an account."""
        ...

    async def update_account(self, waba_id: str, changes: Document) -> Document | None:
        """Change an account."""
        ...

    async def update_number(self, query: Document, changes: Document) -> Document | None:
        """Change a number."""
        ...


class Turn(Protocol):
    """The right to be the one who refreshes."""

    async def hold(self) -> bool:
        """Take or keep it; -> whether it is ours."""
        ...


class Telling(Protocol):
    """Who is told of changes."""

    async def changed(self, tenant: str, kind: str, change: str, **ids: str | None) -> None:
        """Tell every process that caches."""
        ...


class NumberRefresh(Periodic):
    """A part: reads every account once in `every`, one edge at a time."""

    def __init__(
        self,
        graph: Graph,
        store: Accounts,
        directory: Directory,
        telling: Telling,
        turn: Turn,
        clock: Clock,
        every: timedelta,
    ) -> None:
        super().__init__(min(LOOK_EVERY, every.total_seconds()), at_once=False)
        self._graph = graph
        self._store = store
        self._directory = directory
        self._telling = telling
        self._turn = turn
        self._clock = clock
        self._span = every

    async def _round(self) -> None:
        if not await self._turn.hold():
            return
        for account in await self._store.to_refresh(self._clock.now() - self._span, AT_ONCE):
            try:
                await self.account(account)
            except (GraphRefused, GraphUnavailable) as failure:
                log.info("account_not_refreshed", waba_id=account["waba_id"], error_type=type(failure).__name__)
                await self._store.update_account(account["waba_id"], {"refreshed_at": self._clock.now()})

    async def account(self, account: Document) -> None:
        """Read one account and its numbers, and keep what Meta says. Raises GraphRefused and GraphUnavailable.

        A token that Meta does not accept any more stops the account.
        """
        waba_id = account["waba_id"]
        entry = await self._directory.account(account["tenant"], waba_id)
        if entry is None:
            return
        token = entry.access_token.get_secret_value()
        try:
            facts = account_facts(await self._graph.account(waba_id, token))
            said = await self._graph.numbers(waba_id, token)
        except GraphRefused as refused:
            verdict = refused.error.verdict
            if verdict.policy is Policy.ACCOUNT and account["status"] == "active":
                await self._keep_account(account, {"status": "stopped", "stop_reason": verdict.code})
            raise
        if account.get("stop_reason") in MENDED:
            facts |= {"status": "active", "stop_reason": None}
        await self._keep_account(account, facts)
        told = {str(number.get("id")): number_facts(number) for number in said}
        for number in await self._store.numbers_of(waba_id):
            if number["tenant"] == account["tenant"] and number["_id"] in told:
                await self._keep_number(number, told[number["_id"]])

    async def _keep_account(self, account: Document, facts: Document) -> None:
        now = self._clock.now()
        changed = _differs(account, facts)
        await self._store.update_account(
            account["waba_id"], facts | {"refreshed_at": now} | ({"updated_at": now} if changed else {})
        )
        if changed:
            await self._tell(account["tenant"], "account", facts, waba_id=account["waba_id"])

    async def _keep_number(self, number: Document, facts: Document) -> None:
        facts = facts | {"stop_reason": None if facts["status"] == "connected" else facts["meta_status"].lower()}
        if not _differs(number, facts):
            return
        await self._store.update_number({"_id": number["_id"]}, facts | {"updated_at": self._clock.now()})
        ids = {"waba_id": number["waba_id"], "phone_number_id": number["_id"]}
        await self._tell(number["tenant"], "number", facts, **ids)

    async def _tell(self, tenant: str, kind: str, facts: Document, **ids: str) -> None:
        self._directory.forget(tenant=tenant, **ids)
        try:
            await self._telling.changed(
                tenant, kind, "stopped" if facts.get("status") == "stopped" else "updated", **ids
            )
        except BusUnavailable:
            log.warning("refresh_not_announced", kind=kind, waba_id=ids["waba_id"])  # caches end within five seconds


def _differs(kept: Document, facts: Document) -> bool:
    return any(kept.get(name) != value for name, value in facts.items())
