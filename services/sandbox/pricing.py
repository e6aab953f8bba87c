"""What statuses say about price and conversation, by Meta's rules of the time."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from services.sandbox.model import Thread
from services.sandbox.webhooks import encode

# From this day utility templates inside a window cost again, and service messages beyond the month's free ones do.
CHARGED_AGAIN = datetime(2026, 10, 1, tzinfo=UTC).timestamp()
FREE_SERVICE_MESSAGES = 1000  # per number and month


@dataclass(frozen=True)
class Price:
    """What Meta charges for a message, and the billing conversation it belongs to where there is one."""

    kind: str
    category: str
    conversation: str = ""
    expires: float = 0.0

    @property
    def pricing(self) -> str:
        """Return the JSON fragment of a status, which begins with a comma."""
        return _fragment(self.kind, self.category)

    def conversation_on(self, status: str) -> str:
        """Return the conversation fragment; only `sent` carries the expiry."""
        if not self.conversation:
            return ""
        expiry = f'"expiration_timestamp":"{int(self.expires)}",' if status == "sent" else ""
        return f',"conversation":{{"id":"{self.conversation}",{expiry}"origin":{{"type":"referral_conversion"}}}}'


def price(
    category: str | None, message_type: str, in_window: bool, thread: Thread, now: float, service_used: int
) -> Price:
    """Return what a message's statuses say; `category` is the template's in lower case, None for free-form."""
    if now < thread.free_entry_until:
        return Price("free_entry_point", "referral_conversion", thread.free_entry_id, thread.free_entry_until)
    if category is None:
        beyond = now >= CHARGED_AGAIN and service_used > FREE_SERVICE_MESSAGES and message_type != "reaction"
        return Price("regular" if beyond else "free_customer_service", "service")
    free = category == "utility" and in_window and now < CHARGED_AGAIN
    return Price("free_customer_service" if free else "regular", category)


@cache  # a dozen
def _fragment(kind: str, category: str) -> str:
    pricing: dict[str, Any] = {
        "billable": kind == "regular", "pricing_model": "PMP", "type": kind, "category": category,
    }  # fmt: skip
    return f',"pricing":{encode(pricing)}'
