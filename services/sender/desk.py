"""Where many lanes ask at once: the oldest message of each conversation, and the claims right before the POSTs."""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from libs.directory.entries import AccountEntry, TemplateEntry
from libs.graph.template_parameters import problems
from libs.ledger.claims import Claim, Claims, Thread
from libs.ledger.contacts import Contact, ContactReader, alias, stranger
from libs.runtime.clock import Clock
from libs.runtime.gather import Gather
from services.sender.budget import BudgetDesk

APPROVED = "APPROVED"  # the one status of Meta's in which a template can be sent
LINGER = 0.004  # seconds: lanes that ask within it share a round trip

Document = dict[str, Any]


class Refused(StrEnum):
    """Why a message may not go, found right before its claim."""

    EXPIRED = "expired"
    OUTSIDE_WINDOW = "outside_customer_window"
    OPTED_OUT = "recipient_opted_out"
    TEMPLATE_GONE = "template_not_approved"
    TEMPLATE_CHANGED = "template_parameters"
    TAKEN = "taken"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A message that has its slot and wants to be claimed."""

    record: Document
    account: AccountEntry


@dataclass(frozen=True, slots=True)
class OverBudget:
    """The portfolio has reached as many people as Meta allows in 24 h; one more may be reached then."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Granted:
    """A claim, with the monotonic time it was asked at: what is older than half its lease sends nothing."""

    claim: Claim
    asked: float


Grant = Granted | Refused | OverBudget


class Desk:
    """A part: groups the questions of many lanes into one round trip each."""

    def __init__(
        self, claims: Claims, contacts: ContactReader, budget: BudgetDesk, clock: Clock, lease: timedelta
    ) -> None:
        self._claims = claims
        self._contacts = contacts
        self._budget = budget
        self._clock = clock
        self._lease = lease
        self.oldest: Gather[Thread, Document | None] = Gather(self._oldest, linger=LINGER)
        self.claim: Gather[Wanted, Grant] = Gather(self._claim, linger=LINGER)

    async def start(self) -> None:
        """Groups form as lanes ask."""

    async def stop(self) -> None:
        """Answer who still waits."""
        await self.oldest.drain()
        await self.claim.drain()

    async def _oldest(self, threads: Sequence[Thread]) -> Sequence[Document | None]:
        found = await self._claims.oldest(threads)
        return [found[thread] for thread in threads]

    async def _claim(self, wanted: Sequence[Wanted]) -> Sequence[Grant | Exception]:
        asked, now = self._clock.monotonic(), self._clock.now()
        known = await self._contacts.find((it.record["tenant"], it.record["recipient"]) for it in wanted)
        refusals = [refusal(it.record, _person(known, it.record), now) for it in wanted]
        allowed = [it for it, refused in zip(wanted, refusals, strict=True) if refused is None]
        budgets = await self._budget.check(allowed, known, now)
        claims = {
            it.record["_id"]: self._new_claim(it.record, now) for it in allowed if budgets.get(it.record["_id"]) is None
        }
        got = await self._claims.claim(list(claims.values())) if claims else []
        ours = dict(zip(claims, got, strict=True))
        grants: list[Grant | Exception] = []
        for it, refused in zip(wanted, refusals, strict=True):
            message_id = it.record["_id"]
            if refused is not None:
                grants.append(refused)
            elif (until := budgets.get(message_id)) is not None:
                grants.append(OverBudget(until))
            else:
                grants.append(Granted(claims[message_id], asked) if ours[message_id] else Refused.TAKEN)
        return grants

    def _new_claim(self, record: Document, now: datetime) -> Claim:
        attempt = (record.get("claim") or {}).get("attempt", 0) + 1
        token = secrets.token_hex(12)
        return Claim(record["_id"], record["tenant"], token, attempt, now, now + self._lease)


def _person(known: dict[str, Contact], record: Document) -> Contact:
    tenant, recipient = record["tenant"], record["recipient"]
    return known.get(alias(tenant, recipient)) or stranger(tenant, recipient)


def refusal(record: Document, contact: Contact, now: datetime) -> Refused | None:
    """Decide once more, right before the claim, whether the message may go: ttl, consent, window."""
    if record["expires_at"] <= now:
        return Refused.EXPIRED
    if contact.refuses(record.get("template"), record["phone_number_id"], now):
        return Refused.OPTED_OUT
    free_form = "template" not in record
    if free_form and not contact.window(record["phone_number_id"]).is_open(now):
        return Refused.OUTSIDE_WINDOW
    return None


def outdated(record: Document, template: TemplateEntry | None) -> Refused | None:
    """Decide whether a template still is what it was when a message with it was put off."""
    if template is None or template.status != APPROVED:
        return Refused.TEMPLATE_GONE
    given = json.loads(record["content"])["template"].get("components", [])
    return Refused.TEMPLATE_CHANGED if problems(template.components, template.parameter_format, given) else None
