"""What the campaigns service refuses.

NoSuchCampaign 404, NoSuchImport 404, NoSuchNumber 404, WrongState 409, IdTaken 409,
ImportRunning 409, StillAtWork 409, NothingToRetry 409, NothingToSend 422
"""

from collections.abc import Iterator
from contextlib import contextmanager

from libs.web.errors import Conflict, FieldProblem, Invalid, NotFound
from services.campaigns.states import CampaignStatus, allowed_in


class NoSuchCampaign(NotFound):
    """The tenant has no such campaign."""

    code = "campaign_not_found"


class NoSuchImport(NotFound):
    """The campaign has no such import."""

    code = "import_not_found"


class IdTaken(Conflict):
    """Another campaign has the id that was chosen."""

    code = "id_taken"


class ImportRunning(Conflict):
    """Recipients are still coming in."""

    code = "import_running"
    retryable = True


class NoSuchNumber(NotFound):
    """The tenant has no such connected number."""

    code = "number_not_found"


class WrongState(Conflict):
    """The campaign's state does not allow it."""

    code = "wrong_state"


class StillAtWork(Conflict):
    """What was begun with the campaign is not done yet: the same call can be made again in a moment."""

    code = "still_at_work"
    retryable = True


class NothingToRetry(Conflict):
    """Nobody failed, or nobody with these codes."""

    code = "nothing_to_retry"


class NothingToSend(Invalid):
    """The campaign has no recipient."""

    code = "no_recipients"


def wrong_state(doing: str, status: CampaignStatus) -> WrongState:
    """Return the refusal to do a thing in this state; it names what the state allows."""
    allowed = allowed_in(status)
    words = f"A campaign that is {status} cannot be used to {doing}." if " " in doing else ""
    words = words or f"Cannot {doing} a campaign that is {status}."
    return WrongState(words, more={"status": status.value, "allowed": allowed})


def wrong_field(field: str, words: str, code: str = "invalid_field") -> Invalid:
    """Return the refusal of one field."""
    return Invalid(f"{field}: {words}", code=code, param=field, errors=[FieldProblem(field, words)])


@contextmanager
def under(path: str) -> Iterator[None]:
    """Have a refusal of a field name where it is: `language` below `variants.1` is `variants.1.language`."""
    try:
        yield
    except Invalid as error:
        error.param = f"{path}.{error.param}"
        error.errors = [FieldProblem(f"{path}.{it.path}", it.message) for it in error.errors or ()]
        raise
