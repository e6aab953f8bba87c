"""Recording spans with OpenTelemetry's SDK and sending them as OTLP over HTTP, from a thread of its own.

Loaded only where traces are recorded. Our provider is nobody else's: it is not the global one, so no library that looks
for that records spans of its own making.
"""

import asyncio
import contextlib
import logging
import os
import socket
import threading
from collections.abc import Sequence
from importlib.metadata import version
from types import TracebackType
from typing import Self

import structlog
from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer, format_span_id, format_trace_id
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import Counter

from libs.observability.tracing import HEADER, Attributes, Kind

QUEUE = 4096  # spans that wait for the collector, some 10 MB; more are dropped, never waited for
BATCH = 512  # spans a request
EVERY_MS = 1000  # between two requests, where fewer than a batch wait
EXPORT_WITHIN = 5.0  # seconds for one request and its repeats

# Attributes that a span may have. One that is not here is dropped: like a log line, a trace shows our own ids, never
# who somebody is or what was written.
ALLOWED = frozenset({
    "error.type", "http.request.method", "http.response.status_code", "http.route", "messaging.destination.name",
    "messaging.destination.partition.id", "messaging.kafka.offset", "messaging.operation.type", "messaging.system",
    "wabus.attempt", "wabus.campaign_id", "wabus.delivery_id", "wabus.endpoint_id", "wabus.event_type", "wabus.group",
    "wabus.lane", "wabus.message_id", "wabus.outcome", "wabus.request_id", "wabus.status", "wabus.tenant",
})  # fmt: skip

RECORDED = Counter("wabus_spans_recorded_total", "Spans recorded; those not sent by now wait, or are lost.")
SENT = Counter("wabus_spans_sent_total", "Spans that the collector took.")

_KINDS = {
    "server": SpanKind.SERVER, "client": SpanKind.CLIENT, "consumer": SpanKind.CONSUMER, "internal": SpanKind.INTERNAL,
}  # fmt: skip
_NO_CONTEXT = context.Context()

log = structlog.get_logger()


class RecordedSpan:
    """One span that is recorded; see `tracing.Span`."""

    __slots__ = ("_span", "_token", "traceparent")

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        self._token: object = None
        self.traceparent: str | None = _written(span.get_span_context())

    def __enter__(self) -> Self:
        self._token = context.attach(trace.set_span_in_context(self._span))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        context.detach(self._token)  # type: ignore[arg-type]  # what attach gave
        if kind is not None:
            self.failed(kind.__name__)
        self.end()

    def named(self, name: str) -> None:
        """Give it another name."""
        self._span.update_name(name)

    def note(self, attributes: Attributes) -> None:
        """Add the attributes that may be shown."""
        self._span.set_attributes(shown(attributes))

    def failed(self, word: str) -> None:
        """Set its status to an error of this type."""
        self._span.set_status(Status(StatusCode.ERROR))
        self._span.set_attribute("error.type", word)

    def end(self) -> None:
        """End it."""
        self._span.end()
        RECORDED.inc()


class Recorder:
    """Begins spans, and sends those that ended in the background. `exporter` is for tests."""

    def __init__(self, service: str, url: str, share: float, exporter: SpanExporter | None = None) -> None:
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # it would print each failed try: we say it once
        about = {
            "service.name": service, "service.namespace": "wabus", "service.version": version("wabus"),
            "service.instance.id": f"{socket.gethostname()}-{os.getpid()}",
        }  # fmt: skip
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(share)), resource=Resource.create(about), shutdown_on_exit=False
        )
        self._out = _Counted(exporter or OTLPSpanExporter(endpoint=url, timeout=EXPORT_WITHIN))
        self._provider.add_span_processor(
            BatchSpanProcessor(
                self._out, max_queue_size=QUEUE, schedule_delay_millis=EVERY_MS, max_export_batch_size=BATCH
            )
        )
        self._tracer: Tracer = self._provider.get_tracer("wabus")
        self._propagator = TraceContextTextMapPropagator()

    def begin(
        self,
        name: str,
        kind: Kind,
        parent: str | None,
        attributes: Attributes | None,
        *,
        root: bool,
        began: int | None = None,
    ) -> RecordedSpan | None:
        """Return a span below `parent`, or the first of a trace where that is none and `root`; None if not recorded."""
        above = _NO_CONTEXT
        if parent is not None:
            above = self._propagator.extract({HEADER: parent}, _NO_CONTEXT)
        if not root and not trace.get_current_span(above).get_span_context().is_valid:
            return None
        span = self._tracer.start_span(
            name, above, _KINDS[kind], shown(attributes or {}), start_time=began, record_exception=False
        )
        return RecordedSpan(span) if span.is_recording() else None

    def current(self) -> str | None:
        """Return the `traceparent` of the span that this task is in."""
        found = trace.get_current_span().get_span_context()
        return _written(found) if found.is_valid else None

    def trace_id(self) -> str | None:
        """Return the trace of the span that this task is in."""
        found = trace.get_current_span().get_span_context()
        return format_trace_id(found.trace_id) if found.is_valid else None

    def close(self) -> "asyncio.Future[None]":
        """Send what is left in a thread that nobody has to wait for; -> what is done when it ended."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def ended() -> None:
            if not done.done():
                done.set_result(None)

        def work() -> None:
            if self._out.away:
                self._out.shutdown()  # no use in trying again
            self._provider.shutdown()
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waited so long
                loop.call_soon_threadsafe(ended)

        threading.Thread(target=work, name="last-traces", daemon=True).start()
        return done


class _Counted(SpanExporter):
    """Counts what the collector took, and says once that it does not take anything."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self.away = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans; called in the sender's thread."""
        result = self._exporter.export(spans)
        away = result is not SpanExportResult.SUCCESS
        if not away:
            SENT.inc(len(spans))
        if away != self.away:
            self.away = away
            log.warning("traces_not_taken") if away else log.info("traces_taken_again")
        return result

    def shutdown(self) -> None:
        """Close the connection."""
        self._exporter.shutdown()


def shown(attributes: Attributes) -> dict[str, str | int]:
    """Return the attributes that a span may have."""
    return {name: value for name, value in attributes.items() if name in ALLOWED}


def _written(found: trace.SpanContext) -> str:
    """Write a context as W3C's `traceparent`: version, trace, span, flags."""
    return f"00-{format_trace_id(found.trace_id)}-{format_span_id(found.span_id)}-{found.trace_flags:02x}"
