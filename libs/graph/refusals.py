"""What Graph's failures become on our synchronous calls: one table for all of them.

Meta's rate limit is 429, its own trouble 502 and slowness 504, an account that Meta stopped 409, and a wrong request
422; Meta's words stand in `meta`.
"""

from libs.graph.errors import GraphError, GraphFailure, GraphRefused, GraphUnavailable, Policy
from libs.web.errors import ApiError, Conflict, Invalid, TooManyRequests, UpstreamFailed, UpstreamSlow

THROTTLED_FOR = 60  # seconds: Meta counts management calls by the hour, and does not say when there is room again


def answer_for(failure: GraphFailure, doing: str) -> ApiError:
    """Return the refusal for a failed call; `doing` completes the sentence "Meta refused to ..."."""
    if isinstance(failure, GraphRefused):
        return _refused(failure.error, doing)
    slow = isinstance(failure, GraphUnavailable) and failure.slow
    kind = UpstreamSlow if slow else UpstreamFailed
    return kind(f"Meta did not answer when asked to {doing}. Try again.", code="meta_slow" if slow else "meta_failed")


def meta_of(error: GraphError) -> dict[str, object]:
    """Return Meta's own code and words."""
    told = error.message_error(error.verdict).meta
    return told.model_dump(exclude_none=True) if told else {}


def _refused(error: GraphError, doing: str) -> ApiError:
    words, meta, verdict = f"Meta refused to {doing}: {error.details or error.title}", meta_of(error), error.verdict
    if verdict.policy in (Policy.THROTTLE, Policy.PAIR):
        return TooManyRequests(words, code=verdict.code, meta=meta, retry_after=THROTTLED_FOR)
    if verdict.policy is Policy.TRANSIENT:
        return UpstreamFailed(words, code="meta_failed", meta=meta)
    if verdict.policy is Policy.ACCOUNT:
        return Conflict(words, code=verdict.code, meta=meta)
    return Invalid(words, code="meta_refused", meta=meta)
