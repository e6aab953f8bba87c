"""Whether a campaign may write to a person: decided from their consent and country, without any I/O."""

import phonenumbers

from libs.ledger.contacts import MARKETING, Contact
from libs.ledger.recipients import is_user_id
from libs.ledger.record import OutboundDraft
from libs.web.errors import Invalid

UNITED_STATES = "US"


class OptedOut(Invalid):
    """The person said that they do not want this."""

    code = "recipient_opted_out"


class NotDeliverable(Invalid):
    """Meta does not deliver this there."""

    code = "not_deliverable"


class NoConsent(Invalid):
    """The campaign only goes to people who agreed, and this one did not."""

    code = "no_consent"


def refusal(draft: OutboundDraft, contact: Contact) -> Invalid | None:
    """Return why this draft may not be sent to this person, or None."""
    if contact.refuses(draft.template, draft.phone_number_id, draft.goes_at):
        return OptedOut("The person has opted out.", param="to")
    if not deliverable(draft.recipient, (draft.template or {}).get("category", "")):
        return NotDeliverable("Meta delivers no marketing templates to numbers of the United States.", param="to")
    if draft.needs_consent and not contact.consented(draft.phone_number_id):
        return NoConsent("The person has not agreed to be written to.", param="to")
    return None


def deliverable(recipient: str, category: str) -> bool:
    """Tell whether Meta delivers templates of this category there.

    Source: no marketing templates to numbers with the country code 1 and an area code of the United States, since
    April 2025. A business-scoped id begins with the country of its number.
    """
    if category == MARKETING and is_user_id(recipient):
        return recipient[:2] != UNITED_STATES
    if category != MARKETING or not recipient.startswith("+1"):
        return True
    try:
        number = phonenumbers.parse(recipient)
    except phonenumbers.NumberParseException:
        return True
    return phonenumbers.region_code_for_number(number) != UNITED_STATES
