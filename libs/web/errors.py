"""The error shape of the whole REST surface, and the tree of refusals that becomes it.

    ApiError
      BadRequest 400, Unauthenticated 401, Forbidden 403, NotFound 404, Conflict 409, Gone 410, TooLarge 413,
      WrongMediaType 415, Invalid 422, TooManyRequests 429, UpstreamFailed 502, Unavailable 503, UpstreamSlow 504,
      OutcomeUnclear 504

Expected refusals: none of them is a crash or pages anybody. Each carries its status, type, code and wording.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from libs.events.messages import MessageError


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One wrong field: where it is (`components.0.type`) and what is allowed there."""

    path: str
    message: str


class ApiError(Exception):
    """A refusal with a status and the body that explains it."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "api_error"
    code: ClassVar[str] = "internal_error"
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        errors: Sequence[FieldProblem] = (),
        meta: dict[str, Any] | None = None,
        retry_after: int | None = None,
        more: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.public_code = code or self.code
        self.param = param
        self.errors = errors
        self.meta = meta
        self.retry_after = retry_after
        self.more = more or {}

    def body(self, request_id: str) -> dict[str, Any]:
        """Return the answer's body."""
        return {
            "error": {
                "type": self.type,
                "code": self.public_code,
                "message": self.message,
                "param": self.param,
                "request_id": request_id,
                "retryable": self.retryable,
                "errors": [{"path": problem.path, "message": problem.message} for problem in self.errors],
                "meta": self.meta,
            }
            | self.more
        }

    def message_error(self) -> MessageError:
        """Return the same refusal as it stands in events and on stored messages."""
        return MessageError(
            type=self.type,
            code=self.public_code,
            message=self.message,
            param=self.param,
            retryable=self.retryable,
            meta=self.meta,
        )


class BadRequest(ApiError):
    """The body or a parameter cannot be read."""

    status = 400
    type = "invalid_request_error"
    code = "unreadable"


class Unauthenticated(ApiError):
    """No key, or none that is known and valid."""

    status = 401
    type = "authentication_error"
    code = "invalid_key"


class Forbidden(ApiError):
    """The key lacks the scope, or may not reach this kind of account."""

    status = 403
    type = "permission_error"
    code = "missing_scope"


class NotFound(ApiError):
    """There is none, or it is another tenant's: the answer is the same."""

    status = 404
    type = "not_found_error"
    code = "not_found"


class Conflict(ApiError):
    """The state of the thing does not allow it."""

    status = 409
    type = "conflict_error"
    code = "conflict"


class KeyInUse(Conflict):
    """A call with the same idempotency key is still running."""

    type = "idempotency_error"
    code = "idempotency_key_in_use"
    retryable = True


class Gone(ApiError):
    """There was one, and it will not come back."""

    status = 410
    type = "not_found_error"
    code = "gone"


class TooLarge(ApiError):
    """The body is larger than allowed."""

    status = 413
    type = "invalid_request_error"
    code = "body_too_large"


class WrongMediaType(ApiError):
    """The body is of a type that is not taken."""

    status = 415
    type = "invalid_request_error"
    code = "unsupported_media_type"


class Invalid(ApiError):
    """Readable but wrong: a field missing, unknown, of the wrong kind, or not allowed."""

    status = 422
    type = "invalid_request_error"
    code = "invalid_request"


def wrong(path: str, words: str) -> Invalid:
    """Return the refusal of one field or parameter, which names it and says what is allowed."""
    return Invalid(f"{path}: {words}", code="invalid_field", param=path, errors=[FieldProblem(path, words)])


class KeyReused(Invalid):
    """The idempotency key was used with another body."""

    type = "idempotency_error"
    code = "idempotency_key_reused"


class TooManyRequests(ApiError):
    """Not processed: ask again after `Retry-After`."""

    status = 429
    type = "rate_limit_error"
    code = "rate_limited"
    retryable = True


class UpstreamFailed(ApiError):
    """Meta failed, or refused, on one of the synchronous calls."""

    status = 502
    type = "upstream_error"
    code = "meta_failed"
    retryable = True


class Unavailable(ApiError):
    """Something we need is away; nothing was stored."""

    status = 503
    code = "unavailable"
    retryable = True


class UpstreamSlow(ApiError):
    """Meta was too slow on one of the synchronous calls."""

    status = 504
    type = "upstream_error"
    code = "meta_slow"
    retryable = True


class OutcomeUnclear(ApiError):
    """It may or may not have been stored: ask again with the same idempotency key."""

    status = 504
    code = "outcome_unknown"
    retryable = True
