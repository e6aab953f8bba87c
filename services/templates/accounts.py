"""Which of a tenant's accounts a call is about. Read past the cache: such calls follow a connection at once."""

from collections.abc import Collection

from libs.directory.directory import Directory
from libs.directory.entries import AccountEntry
from libs.directory.reach import Reach
from libs.web.errors import FieldProblem, Invalid
from libs.web.identity import Identity
from services.templates.errors import NoSuchAccount, TemplateConflict


class Accounts:
    """Finds accounts of tenants."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def chosen(self, caller: Identity, waba_id: str | None, among: Collection[str] | None = None) -> AccountEntry:
        """Return the account that is named, or the only one (of those `among`) that the caller reaches.

        Raises NoSuchAccount, and Invalid naming the choices.
        """
        mine = await self._mine(caller)
        if waba_id is None:
            choices = sorted(mine if among is None else mine & set(among))
            if len(choices) > 1:
                words = f"You have several accounts: name one of {', '.join(choices)}."
                problem = FieldProblem("waba_id", words)
                raise Invalid(f"waba_id: {words}", code="missing_field", param="waba_id", errors=[problem])
            waba_id = choices[0] if choices else ""
        account = await self._directory.account_now(caller.tenant, waba_id) if waba_id in mine else None
        if account is None:
            raise NoSuchAccount("You have no connected account with this id.", param="waba_id")
        return account

    async def named(self, caller: Identity, waba_id: str | None) -> list[str]:
        """Return the account that is named, or all that the caller reaches: as ids, sorted.

        Raises NoSuchAccount where there is none.
        """
        if waba_id is not None:
            return [(await self.chosen(caller, waba_id)).waba_id]
        if not (mine := await self._mine(caller)):
            raise NoSuchAccount("You have no connected account with this id.", param="waba_id")
        return sorted(mine)

    async def of(self, tenant: str, waba_id: str) -> AccountEntry:
        """Return the account of a template that is reached; raises TemplateConflict where it is not connected."""
        account = await self._directory.account_now(tenant, waba_id)
        if account is None:
            words = "The account of this template is not connected: connect it again first."
            raise TemplateConflict(words, code="account_not_connected")
        return account

    async def reach(self, caller: Identity) -> Reach:
        """Return what a caller reaches."""
        return await self._directory.reach(caller.tenant, caller.mode)

    async def _mine(self, caller: Identity) -> frozenset[str]:
        reach = await self.reach(caller)
        return frozenset(filter(reach.has_account, await self._directory.wabas_of(caller.tenant)))
