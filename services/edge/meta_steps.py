"""What Graph says in a call that a client waits for, as our refusal: it names the step, and keeps Meta's own words."""

from types import TracebackType
from typing import Any

from libs.graph.errors import GraphRefused, GraphUnavailable
from libs.web.errors import FieldProblem, Invalid, UpstreamFailed, UpstreamSlow
from services.edge.credentials import TokenRefused


class meta_step:  # reads as a statement: `with meta_step("subscribe"):`
    """Turns Graph's refusals and silences within it into Invalid, UpstreamFailed or UpstreamSlow.

    `undone` ends the sentence for a call that Meta did not answer: what the caller may rely on.
    """

    def __init__(self, step: str, undone: str = "Try again.") -> None:
        self.step = step
        self._undone = undone

    def __enter__(self) -> None:
        """Begin the step."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        more = {"step": self.step}
        if isinstance(error, TokenRefused):
            raise invalid(error.param, error.code, error.words, more) from None
        if isinstance(error, GraphRefused):
            raise _refused(error, self.step) from None
        if isinstance(error, GraphUnavailable):
            words = f"Meta did not answer in the step {self.step}. {self._undone}"
            raise (UpstreamSlow if error.slow else UpstreamFailed)(words, more=more) from None


def invalid(param: str, code: str, words: str, more: dict[str, Any] | None = None) -> Invalid:
    """Return the refusal of one field."""
    return Invalid(words, code=code, param=param, errors=[FieldProblem(param, words)], more=more)


def _refused(refused: GraphRefused, step: str) -> Invalid | UpstreamFailed:
    error = refused.error
    told = error.message_error(error.verdict).meta
    meta = told.model_dump(exclude_none=True) if told else None
    words, more = f"Meta refused the step {step}: {error.title}", {"step": step}
    if error.verdict.retryable:
        return UpstreamFailed(words, code="meta_failed", meta=meta, more=more)
    return Invalid(words, code="meta_refused", meta=meta, more=more)
