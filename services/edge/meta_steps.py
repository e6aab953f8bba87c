"""What Graph says in a call that a client waits for, as our refusal: it names the step, and keeps Meta's own words."""

from types import TracebackType
from typing import Any

from libs.graph.errors import GraphFailure
from libs.graph.refusals import answer_for
from libs.web.errors import FieldProblem, Invalid
from services.edge.credentials import TokenRefused


class meta_step:  # reads as a statement: `with meta_step("subscribe"):`
    """Turns Graph's refusals and silences within it into answers that name the step."""

    def __init__(self, step: str) -> None:
        self.step = step

    def __enter__(self) -> None:
        """Begin the step."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, TokenRefused):
            raise invalid(error.param, error.code, error.words, {"step": self.step}) from None
        if isinstance(error, GraphFailure):
            answer = answer_for(error, f"do the step {self.step}")
            answer.more = answer.more | {"step": self.step}
            raise answer from None


def invalid(param: str, code: str, words: str, more: dict[str, Any] | None = None) -> Invalid:
    """Return the refusal of one field."""
    return Invalid(words, code=code, param=param, errors=[FieldProblem(param, words)], more=more)
