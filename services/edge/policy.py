"""Whether a message may be accepted: decided from the person's window and consent, without any I/O."""

from libs.ledger.contacts import Contact, Window, conversation_id_of
from libs.ledger.record import OutboundDraft
from libs.runtime.clock import rfc3339
from libs.web.errors import Invalid
from services.edge.errors import TargetNotUsable


class OutsideWindow(Invalid):
    """Free-form text to somebody who has not written within 24 hours."""

    code = "outside_customer_window"


class OptedOut(Invalid):
    """The person said that they do not want this."""

    code = "recipient_opted_out"


def refusal(draft: OutboundDraft, contact: Contact) -> Invalid | None:
    """Return why this draft may not be accepted for this person, or None.

    Source: Meta's customer service window. An opt-out of marketing stops marketing templates, one of everything stops
    all but replies. A message that is put off needs a window that is open at its time, as far as anybody can know now;
    the sender asks again then.
    """
    if draft.same_as is not None:
        field, conversation_id = draft.same_as
        if conversation_id_of(contact.contact_id, draft.phone_number_id) != conversation_id:
            words = f"{field}: The message is one of another conversation."
            return TargetNotUsable(words, code="target_of_another_conversation", param=field)
    if contact.refuses(draft.template, draft.phone_number_id, draft.goes_at):
        return OptedOut("The person has opted out.", param="to")
    window = contact.window(draft.phone_number_id)
    if draft.free_form and not window.is_open(draft.goes_at):
        return _outside(window, window.is_open(draft.created_at))
    return None


def _outside(window: Window, open_now: bool) -> OutsideWindow:
    last = rfc3339(window.last_inbound_at) if window.last_inbound_at else None
    words = "The person has not written to this number within 24 hours: send an approved template."
    if open_now:
        words = "The window will have closed by send_at unless the person writes again: send an approved template."
    more = {"window": {"open": open_now, "last_inbound_at": last}}
    return OutsideWindow(words, param="send_at" if open_now else "to", more=more)
