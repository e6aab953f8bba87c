"""What a failure of the Graph API means to the caller of a synchronous call: decided by the code, without any I/O."""

from libs.graph.errors import GraphFailure, GraphRefused, GraphUnavailable
from libs.web.errors import ApiError, UpstreamFailed, UpstreamSlow
from services.edge.errors import MetaRefused


def upstream_error(failure: GraphFailure) -> ApiError:
    """Return the answer: 504 where Meta was too slow, 502 where it was away or said no, with its own words."""
    if isinstance(failure, GraphRefused):
        verdict = failure.error.verdict
        told = failure.error.message_error(verdict)
        meta = told.meta.model_dump(exclude_none=True) if told.meta is not None else None
        if verdict.retryable:
            return UpstreamFailed(told.message, meta=meta)
        return MetaRefused(told.message, meta=meta, more={"reason": verdict.code})
    if isinstance(failure, GraphUnavailable) and failure.slow:
        return UpstreamSlow("Meta did not answer in time. Try again.")
    return UpstreamFailed("Meta could not be reached. Try again.")
