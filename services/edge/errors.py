"""What edge refuses beyond what every HTTP side does."""

from libs.directory.reach import TEST
from libs.web.errors import Conflict, Forbidden, Gone, Invalid, NotFound, TooLarge, Unavailable, WrongMediaType


class NoSuchBot(NotFound):
    """There is none, or it is another tenant's."""

    code = "bot_not_found"


class NoSuchNumber(NotFound):
    """The number is not one of the tenant's."""

    code = "number_not_found"


class NumberCannotSend(Conflict):
    """The number or its account is stopped."""

    code = "number_cannot_send"


class SandboxOnly(Forbidden):
    """A test key reaches only sandbox accounts."""

    code = "test_key"


def check_reach(mode: str, sandbox: bool) -> None:
    """Raise SandboxOnly where a key of this mode does not reach an account that is a sandbox's or is not."""
    if mode == TEST and not sandbox:
        raise SandboxOnly("A test key reaches only sandbox accounts.")


def message_not_found() -> NotFound:
    """Return the refusal of a message that is none of those that the caller reaches."""
    return NotFound("There is no such message.", code="message_not_found", param="message_id")


class SearchTooWide(Unavailable):
    """There is more to look at than one call has time for: the same call would end the same."""

    code = "search_too_wide"
    retryable = False


class NoSuchTemplate(Invalid):
    """The account has no template of this name in this language."""

    code = "template_not_found"


class TemplateNotApproved(Invalid):
    """Meta has not approved the template."""

    code = "template_not_approved"


class TemplateMisfit(Invalid):
    """The components do not fit the template."""

    code = "template_parameters"


class NoSuchAccount(NotFound):
    """The account is not one of the tenant's."""

    code = "account_not_found"


class OnboardingRunning(Conflict):
    """Another call is at the same onboarding."""

    code = "onboarding_running"
    retryable = True


class NumberTaken(Conflict):
    """The number belongs to another tenant."""

    code = "number_taken"


class NoSuchMedia(NotFound):
    """The tenant neither uploaded nor received such a file."""

    code = "media_not_found"


class MediaGone(Gone):
    """Meta no longer has the file."""

    code = "media_expired"


class MediaTooLarge(TooLarge):
    """The file is larger than Meta takes of its kind."""

    code = "media_too_large"


class WrongMedia(WrongMediaType):
    """Meta does not take such files, or the file is not what it is said to be."""

    code = "unsupported_media"


class TargetNotUsable(Invalid):
    """The message that a reply or a reaction names is not there, or Meta would not take it."""

    code = "target_not_found"


class NotInbound(Conflict):
    """Only what a person wrote can be marked as read."""

    code = "not_an_inbound_message"


class NotCancelable(Conflict):
    """The message is past the point where it could be taken back."""

    code = "message_not_cancelable"


class NoSuchContact(NotFound):
    """The contact is not one of the tenant's."""

    code = "contact_not_found"


class NoSuchConversation(NotFound):
    """The conversation is not one of the tenant's."""

    code = "conversation_not_found"


class NoSuchOptOut(NotFound):
    """The contact is none of the tenant's, or has not opted out of this."""

    code = "opt_out_not_found"


class PersonOptedOut(Conflict):
    """The person opted out themselves: only their own later word lifts that."""

    code = "person_opted_out"
