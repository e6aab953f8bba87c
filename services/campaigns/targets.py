"""What a campaign sends from and with: its number, its account, its template, as the directory has them now."""

import hashlib
import json
from dataclasses import dataclass

from libs.directory.directory import Directory
from libs.directory.entries import AccountEntry, NumberEntry, TemplateEntry
from libs.directory.reach import Reach
from libs.web.errors import Invalid
from libs.web.identity import Identity
from services.campaigns.errors import NoSuchNumber, wrong_field

APPROVED = "APPROVED"  # the one status of Meta's in which a template can be sent


@dataclass(frozen=True, slots=True)
class Sending:
    """A number with its account."""

    number: NumberEntry
    account: AccountEntry

    @property
    def stopped(self) -> str | None:
        """Why it cannot send now, None where it can."""
        if not self.account.active:
            return self.account.stop_reason or "account_stopped"
        if not self.number.active:
            return self.number.stop_reason or "number_not_connected"
        return None


class Targets:
    """Looks up numbers and templates of tenants."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def sending(self, tenant: str, phone_number_id: str) -> Sending | None:
        """Return the tenant's number with its account, None where it is not connected."""
        number = await self._directory.number(tenant, phone_number_id)
        account = await self._directory.account(tenant, number.waba_id) if number is not None else None
        return Sending(number, account) if number is not None and account is not None else None

    async def reached(self, caller: Identity, phone_number_id: str) -> Sending:
        """Return a caller's number; raises NoSuchNumber, also for what the caller does not reach."""
        found = await self.sending(caller.tenant, phone_number_id)
        if found is None or not (await self.reach(caller)).has_number(phone_number_id):
            raise NoSuchNumber("You have no connected number with this id.", param="phone_number_id")
        return found

    async def reach(self, caller: Identity) -> Reach:
        """Return what a caller reaches."""
        return await self._directory.reach(caller.tenant, caller.mode)

    async def template(self, tenant: str, waba_id: str, name: str, language: str) -> TemplateEntry | None:
        """Return a template in a language, None where it is not there (any more)."""
        entries = await self._directory.templates(tenant, waba_id, name)
        return next((entry for entry in entries if entry.language == language), None)

    async def chosen(self, tenant: str, waba_id: str, name: str, language: str | None) -> TemplateEntry:
        """Return the approved template that a campaign names; without a language the only approved one.

        Raises Invalid: there is none, it is not approved, or there are several, which are named.
        """
        entries = await self._directory.templates(tenant, waba_id, name)
        if language is not None:
            found = [entry for entry in entries if entry.language == language]
        else:
            found = [entry for entry in entries if entry.status == APPROVED] or list(entries)
        if not found:
            raise wrong_field("template", "There is no such template in this language.", "template_not_found")
        if len(found) > 1:
            choices = ", ".join(sorted(entry.language for entry in found))
            raise wrong_field("language", f"The template has several: name one of {choices}.", "missing_field")
        if found[0].status != APPROVED:
            raise not_approved(found[0].status)
        return found[0]


def not_approved(status: str) -> Invalid:
    """Return the refusal of a template in this status."""
    words = f"The template is {status}; only an approved one can be sent."
    return Invalid(words, code="template_not_approved", param="template", more={"template_status": status})


def version_of(template: TemplateEntry) -> str:
    """Return what tells two contents of a template, or two templates, apart."""
    what = [template.name, template.language, template.parameter_format, template.components]
    text = json.dumps(what, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
