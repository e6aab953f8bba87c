"""The public names of events, and which of them a subscription is about."""

from collections.abc import Iterable

from libs.events.messages import MessageStatus

EVERYTHING = "*"
STATUSES = (
    MessageStatus.ACCEPTED, MessageStatus.SENT, MessageStatus.DELIVERED, MessageStatus.READ, MessageStatus.FAILED,
    MessageStatus.UNKNOWN, MessageStatus.EXPIRED, MessageStatus.CANCELED,
)  # fmt: skip
TEST = "webhook.test"  # sent to one endpoint on request, whatever it listens to
DISABLED = "webhook_endpoint.disabled"

NAMES = (
    *(f"message.{status}" for status in STATUSES), "message.received", "template.changed", "account.changed",
    "number.changed", "conversation.handed_over", DISABLED,
)  # fmt: skip
FAMILIES = tuple(dict.fromkeys(f"{name.split('.')[0]}.*" for name in NAMES))
CHOICES = (EVERYTHING, *FAMILIES, *NAMES)


def matches(wanted: Iterable[str], name: str) -> bool:
    """Tell whether a subscription to these names and families is about this event."""
    family = f"{name.split('.')[0]}.*"
    return any(each in (EVERYTHING, family, name) for each in wanted)


def pattern(wanted: Iterable[str]) -> frozenset[str] | None:
    """Return the event names that names and families stand for; None for all."""
    wanted = tuple(wanted)
    if EVERYTHING in wanted:
        return None
    return frozenset(name for name in (*NAMES, TEST) if matches(wanted, name))
