"""What a tenant does with a number at Meta: profile, verification, registration, two-step PIN, blocked users."""

import secrets
from typing import Any

from libs.directory.directory import Directory
from libs.graph.errors import GraphRefused
from libs.graph.numbers import GraphNumbers
from libs.runtime.ids import is_uuid
from services.edge.account_store import AccountStore, Document
from services.edge.announcements import Announcements
from services.edge.auth import Caller
from services.edge.errors import NoSuchBot, NoSuchNumber
from services.edge.meta_steps import invalid, meta_step
from services.edge.onboarding import PIN_MISMATCH
from services.edge.refresh import NumberRefresh


class NumberDesk:
    """Calls Graph for one number, with the account's token.

    Every method raises NoSuchNumber, also for what the caller does not reach, and what Meta refuses.
    """

    def __init__(
        self, store: AccountStore, directory: Directory, graph: GraphNumbers, refresh: NumberRefresh,
        announcements: Announcements,
    ) -> None:  # fmt: skip
        self._store = store
        self._announcements = announcements
        self._directory = directory
        self._graph = graph
        self._refresh = refresh

    async def get(self, caller: Caller, phone_number_id: str) -> tuple[Document, Document | None]:
        """Return the number and its account."""
        number = await self._number(caller, phone_number_id)
        return number, await self._store.account(caller.tenant, number["waba_id"])

    async def refresh(self, caller: Caller, phone_number_id: str) -> tuple[Document, Document | None]:
        """Read the number's account from Meta now; -> the number and its account after it."""
        number, account = await self.get(caller, phone_number_id)
        if account is not None:
            with meta_step("refresh"):
                await self._refresh.account(account)
        return await self.get(caller, number["_id"])

    async def link_bot(
        self, caller: Caller, phone_number_id: str, bot_id: str | None
    ) -> tuple[Document, Document | None]:
        """Link a bot, or unlink it (None); -> the number and its account. Raises NoSuchBot."""
        reach = await self._directory.reach(caller.tenant, caller.mode)
        known = bot_id is None or (is_uuid(bot_id) and await self._directory.knows_bot(caller.tenant, bot_id, reach))
        if not known:
            raise NoSuchBot("You have no bot with this id.", param="bot_id")
        return await self._set(caller, phone_number_id, {"bot_id": bot_id})

    async def switch(self, caller: Caller, phone_number_id: str, enabled: bool) -> tuple[Document, Document | None]:
        """Switch the number's bot on or off; -> the number and its account."""
        return await self._set(caller, phone_number_id, {"autoreply": enabled})

    async def _set(self, caller: Caller, phone_number_id: str, changes: Document) -> tuple[Document, Document | None]:
        number, _ = await self.get(caller, phone_number_id)
        await self._store.update_number({"_id": number["_id"], "tenant": caller.tenant}, changes)
        await self._announcements.changed(
            caller.tenant, "number", "updated", waba_id=number["waba_id"], phone_number_id=number["_id"]
        )
        return await self.get(caller, phone_number_id)

    async def register(self, caller: Caller, phone_number_id: str, pin: str | None) -> None:
        """Register the number with the PIN given, the one we know, or a new one that we keep."""
        number, token = await self._with_token(caller, phone_number_id)
        pin = pin or self._store.pin_of(number) or f"{secrets.randbelow(10**6):06d}"
        await self._store.keep_pin(number, pin)
        with meta_step("register"):
            try:
                await self._graph.register(phone_number_id, token, pin)
            except GraphRefused as refused:
                if refused.error.code != PIN_MISMATCH:
                    raise
                raise invalid("pin", "two_step_pin_mismatch", "This is not the number's two-step PIN.") from None
        await self.refresh(caller, phone_number_id)

    async def deregister(self, caller: Caller, phone_number_id: str) -> None:
        """Take the number off the Cloud API."""
        _, token = await self._with_token(caller, phone_number_id)
        with meta_step("deregister"):
            await self._graph.deregister(phone_number_id, token)
        await self.refresh(caller, phone_number_id)

    async def set_pin(self, caller: Caller, phone_number_id: str, pin: str) -> None:
        """Set the two-step PIN, and keep it for later registrations."""
        number, token = await self._with_token(caller, phone_number_id)
        with meta_step("two_step_pin"):
            await self._graph.set_pin(phone_number_id, token, pin)
        await self._store.keep_pin(number, pin)

    async def request_code(self, caller: Caller, phone_number_id: str, method: str, language: str) -> None:
        """Have Meta send a verification code to the number."""
        _, token = await self._with_token(caller, phone_number_id)
        with meta_step("request_code"):
            await self._graph.request_code(phone_number_id, token, method, language)

    async def verify_code(self, caller: Caller, phone_number_id: str, code: str) -> None:
        """Enter the code that came to the number."""
        _, token = await self._with_token(caller, phone_number_id)
        with meta_step("verify_code"):
            await self._graph.verify_code(phone_number_id, token, code)
        await self.refresh(caller, phone_number_id)

    async def profile(self, caller: Caller, phone_number_id: str) -> Document:
        """Read the business profile from Meta."""
        _, token = await self._with_token(caller, phone_number_id)
        with meta_step("profile"):
            return await self._graph.profile(phone_number_id, token)

    async def change_profile(self, caller: Caller, phone_number_id: str, changes: Document) -> Document:
        """Change the business profile; -> it as Meta has it after that."""
        _, token = await self._with_token(caller, phone_number_id)
        with meta_step("profile"):
            await self._graph.change_profile(phone_number_id, token, changes)
            return await self._graph.profile(phone_number_id, token)

    async def blocked(
        self, caller: Caller, phone_number_id: str, limit: int, after: str | None
    ) -> tuple[list[Any], str]:
        """Read a page of blocked users; -> the rows and the next page's cursor or nothing."""
        _, token = await self._with_token(caller, phone_number_id)
        with meta_step("blocked_users"):
            return await self._graph.blocked(phone_number_id, token, limit, after)

    async def block(self, caller: Caller, phone_number_id: str, users: list[str], *, blocked: bool) -> Document:
        """Block or unblock users; -> Meta's answer for each."""
        _, token = await self._with_token(caller, phone_number_id)
        with meta_step("blocked_users"):
            return await self._graph.block(phone_number_id, token, users, blocked=blocked)

    async def _with_token(self, caller: Caller, phone_number_id: str) -> tuple[Document, str]:
        number = await self._number(caller, phone_number_id)
        account = await self._directory.account(caller.tenant, number["waba_id"])
        if account is None:
            raise _unknown()
        return number, account.access_token.get_secret_value()

    async def _number(self, caller: Caller, phone_number_id: str) -> Document:
        number = await self._store.number(caller.tenant, phone_number_id)
        if number is None or not (await self._directory.reach(caller.tenant, caller.mode)).has_number(phone_number_id):
            raise _unknown()
        return number


def _unknown() -> NoSuchNumber:
    return NoSuchNumber("You have no connected number with this id.", param="phone_id")
