"""Structured logs: JSON lines with an allow-list of fields, so that no person, token or text gets into them."""

import hashlib
import hmac
import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from libs.observability import tracing

COORDINATOR = "aiokafka.consumer.group_coordinator"  # the logger of the client's part that keeps it in its group

_hash_key = b""

# Fields that may stand in a log line. A field that is not here is replaced by its type: adding one is a decision.
ALLOWED = frozenset({
    "account_id", "after", "age_seconds", "attempt", "attempts", "bytes", "callback", "cause", "code", "collection",
    "component", "conversation_id", "correlation_id", "count", "created", "cursor", "delay_seconds", "direction",
    "duration_ms", "error_type", "event", "event_id", "exception", "field", "group", "http_status", "job_id", "key_id",
    "kind", "lane", "lane_count", "lag", "level", "limit", "logger", "member", "message_id", "meta_code", "method",
    "name", "number_count", "offset", "outcome", "owner", "part", "partition", "partitions", "path", "person",
    "phone_number_id", "policy", "port", "queue", "rate", "reason", "record_count", "removed", "request_id", "route",
    "scope", "seconds", "service", "settings", "share", "signature", "size", "source", "stack", "state", "status",
    "step", "template_id", "tenant", "timestamp", "topic", "topics", "trace_id", "type", "url", "version", "waba_id",
    "waited", "window",
})  # fmt: skip


def configure_logging(level: str, hash_key: str) -> None:
    """Set up structlog and the standard library's loggers to print one JSON object a line on standard output."""
    global _hash_key
    _hash_key = hash_key.encode()
    shared = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        with_trace,
    ]
    ending = [only_allowed_fields, safe_exception, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=[*shared, *ending],  # type: ignore[list-item]
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,  # type: ignore[arg-type]
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending],  # type: ignore[list-item]
        )
    )
    handler.addFilter(lambda record: not _is_ordinary(record))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(logging.getLevelName(level), logging.WARNING))


def _is_ordinary(record: logging.LogRecord) -> bool:
    """Tell what the Kafka client warns of whenever another member comes or goes: its group is shared out anew."""
    return record.name == COORDINATOR and str(record.msg).endswith("because it is rebalancing")


def person(identifier: str) -> str:
    """Return a keyed hash that stands for a person in logs: lines about one person can be joined, not read back."""
    return hmac.new(_hash_key, identifier.encode(), hashlib.sha256).hexdigest()[:16]


def masked(number: str) -> str:
    """Show a phone number as `+15*****67`: its country and last two digits."""
    return number[:3] + "*" * max(len(number) - 5, 1) + number[-2:]


def with_trace(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Name the recorded trace that a line belongs to."""
    if (trace := tracing.trace_id()) is not None:
        event["trace_id"] = trace
    return event


def only_allowed_fields(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace the value of a field that is not on the allow-list by its type."""
    for name in event:
        if name not in ALLOWED and name not in ("exc_info", "stack_info"):
            event[name] = f"<{type(event[name]).__name__}>"
    return event


def safe_exception(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Say where an exception was raised and of what type; its text may hold what we must not log."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event["error_type"] = type(error).__name__
        event["stack"] = frames(error)
    return event


def frames(error: BaseException, most: int = 12) -> list[str]:
    """Return the innermost `file:line function` places of an exception, without any value."""
    places, trace = [], error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_filename}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return places[-most:]
