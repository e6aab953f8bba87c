"""What a launch would do, without doing it: who would be written to, what it would cost, how long it would take."""

import math
from collections import Counter
from decimal import Decimal
from typing import Any

from libs.ledger.budget import Budget
from libs.ledger.contacts import Contact, ContactReader, alias, stranger
from libs.pricing.rate_card import RateCard, card_at
from libs.runtime.clock import Clock
from services.campaigns.bodies import LaunchBody
from services.campaigns.consent import deliverable
from services.campaigns.recipient_store import FIRST, RecipientStore
from services.campaigns.states import RecipientState
from services.campaigns.targets import Sending
from services.campaigns.variants import Split, Variant

BATCH = 1_000  # recipients looked at in one round trip
DAY = 86_400  # seconds

Document = dict[str, Any]


class Estimate:
    """What messages cost by a rate card if all are delivered and none is free; those without a known price apart."""

    def __init__(self, card: RateCard) -> None:
        self._card = card
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, recipient: str, category: str) -> None:
        """Count a message."""
        self._counts[self._card.market_of(recipient), category] += 1

    def view(self) -> Document:
        """Return the sum and its lines, by market and category."""
        lines, amount, unpriced = [], Decimal(0), 0
        for (market, category), messages in sorted(self._counts.items()):
            price = self._card.price(market, category)
            amount += price * messages if price is not None else 0
            unpriced += messages if price is None else 0
            lines.append({
                "market": market, "category": category, "messages": messages,
                "price": str(price) if price is not None else None,
                "amount": str(price * messages) if price is not None else None,
            })  # fmt: skip
        return {
            "amount": str(amount), "currency": self._card.currency, "rate_card": self._card.version,
            "unpriced_messages": unpriced, "lines": lines,
        }  # fmt: skip


class Planner:
    """Looks at every recipient of a campaign as fan-out would."""

    def __init__(self, recipients: RecipientStore, contacts: ContactReader, budget: Budget, clock: Clock) -> None:
        self._recipients = recipients
        self._contacts = contacts
        self._budget = budget
        self._clock = clock

    async def plan(self, campaign: Document, sending: Sending, body: LaunchBody) -> Document:
        """Return counts of recipients by what would become of them, and the time to expect in seconds."""
        counts, variants, estimate = Counter[str](), Counter[str](), Estimate(card_at(self._clock.now()))
        split, after = Split(campaign), FIRST
        while rows := await self._recipients.in_state(campaign, RecipientState.PENDING, BATCH, after):
            after = (rows[-1]["round"], rows[-1]["_id"])
            known = await self._contacts.find((campaign["tenant"], row["to"]) for row in rows)
            for row in rows:
                variant, to = split.of(row["_id"]), row["to"]
                contact = known.get(alias(campaign["tenant"], to)) or stranger(campaign["tenant"], to)
                outcome = self._outcome(campaign, variant, contact, to)
                counts[outcome] += 1
                if outcome == "eligible" and variant is not None:
                    variants[variant.name] += 1
                    estimate.add(to, variant.template["category"])
        outcomes = ("eligible", "opted_out", "no_consent", "not_deliverable", "held_out")
        return (
            {name: counts[name] for name in outcomes}
            | {"duplicates": campaign["duplicates"], "invalid": campaign["invalid"]}
            | {"variants": dict(variants) if split.named else None}
            | await self._time(counts["eligible"], sending, body)
            | {"cost": estimate.view()}
        )

    def _outcome(self, campaign: Document, variant: Variant | None, contact: Contact, to: str) -> str:
        if variant is None:
            return "held_out"
        if contact.refuses(variant.template, campaign["phone_number_id"], self._clock.now()):
            return "opted_out"
        if not deliverable(to, variant.template["category"]):
            return "not_deliverable"
        if campaign.get("require_consent") and not contact.consented(campaign["phone_number_id"]):
            return "no_consent"
        return "eligible"

    async def _time(self, eligible: int, sending: Sending, body: LaunchBody) -> Document:
        """Return how long it takes, at the rate of number and campaign and by the portfolio's daily limit."""
        rate = min(body.rate_per_second or math.inf, float(sending.number.throughput))
        at_rate, limit = eligible / rate, sending.account.messaging_limit
        if limit is None:
            return {"seconds": round(at_rate, 1), "rate_per_second": rate, "messaging_limit": None}
        used = await self._budget.used(sending.account.portfolio_id, self._clock.now(), limit)
        days = max(math.ceil((eligible - (limit - used)) / limit), 0) if limit else 0
        return {
            "seconds": round(max(at_rate, days * DAY), 1), "rate_per_second": rate,
            "messaging_limit": {"people_per_day": limit, "used": used, "days": days},
        }  # fmt: skip
