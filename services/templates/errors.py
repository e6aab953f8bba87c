"""What the templates service refuses, and what Meta's refusals of templates become.

NoSuchTemplate 404, NoSuchAccount 404, TemplateConflict 409, WrongTemplate 422
"""

from collections.abc import Sequence

from libs.graph.errors import GraphFailure, GraphRefused
from libs.graph.refusals import answer_for, meta_of
from libs.web.errors import ApiError, Conflict, FieldProblem, Invalid, NotFound

# Meta's subcodes of template management that say that the state of things does not allow it -> our code.
CONFLICTS = {
    2388019: "template_limit", 2388023: "template_name_blocked", 2388024: "template_exists", 2388039: "template_state",
}  # fmt: skip
GONE = 2593002  # Meta's subcode: there is no such template
NO_SUCH_OBJECT = 33  # gone, or out of the token's reach: Meta does not say which


class NoSuchTemplate(NotFound):
    """The tenant has no such template."""

    code = "template_not_found"


class NoSuchAccount(NotFound):
    """The tenant has no such account connected."""

    code = "account_not_found"


class TemplateConflict(Conflict):
    """The state of the template, or of its account, does not allow it."""

    code = "template_state"


class WrongTemplate(Invalid):
    """A part of the template is not as Meta takes it."""

    code = "invalid_template"


def wrong(problems: Sequence[FieldProblem]) -> WrongTemplate:
    """Return the refusal of a template with these problems; the first leads."""
    first = problems[0]
    return WrongTemplate(f"{first.path}: {first.message}", param=first.path, errors=problems[:20])


def is_gone(failure: GraphFailure) -> bool:
    """Tell whether Meta says that it has no such template."""
    return isinstance(failure, GraphRefused) and failure.error.subcode == GONE


def refused(failure: GraphFailure, doing: str) -> ApiError:
    """Return our answer for a call about a template that Meta refused, or did not answer."""
    if isinstance(failure, GraphRefused) and failure.error.code == 100:
        error, meta = failure.error, meta_of(failure.error)
        words = f"Meta refused to {doing}: {error.details or error.title}"
        if (code := CONFLICTS.get(error.subcode or 0)) is not None:
            return TemplateConflict(words, code=code, meta=meta)
        if error.subcode == NO_SUCH_OBJECT:
            words = "Meta does not know it any more, or the account's token may not reach it."
            return TemplateConflict(words, code="template_out_of_reach", meta=meta)
        return WrongTemplate(words, code="template_refused", meta=meta)
    return answer_for(failure, doing)
