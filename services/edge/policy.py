"""Whether a message may be accepted: decided from the person's window and consent, without any I/O."""

from libs.ledger.contacts import Contact
from libs.ledger.record import OutboundDraft
from libs.runtime.clock import rfc3339
from libs.web.errors import Invalid


class OutsideWindow(Invalid):
    """Free-form text to somebody who has not written within 24 hours."""

    code = "outside_customer_window"


class OptedOut(Invalid):
    """The person said that they do not want this."""

    code = "recipient_opted_out"


def refusal(draft: OutboundDraft, contact: Contact) -> Invalid | None:
    """Return why this draft may not be accepted for this person, or None.

    Source: Meta's customer service window. An opt-out of marketing stops marketing templates, one of everything stops
    everything.
    """
    category = (draft.template or {}).get("category", "")
    if contact.refuses(category):
        return OptedOut("The person has opted out.", param="to")
    window = contact.window(draft.phone_number_id)
    if draft.free_form and not window.is_open(draft.created_at):
        last = rfc3339(window.last_inbound_at) if window.last_inbound_at else None
        return OutsideWindow(
            "The person has not written to this number within 24 hours: send an approved template.",
            param="to",
            more={"window": {"open": False, "last_inbound_at": last}},
        )
    return None
