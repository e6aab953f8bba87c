"""Traces of this very process, kept in memory."""

import threading
from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from libs.observability.tracing import Tracing

URL = "http://collector.invalid/v1/traces"


class Kept(SpanExporter):
    """Keeps spans; while `held` is not set it takes as long as that."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []
        self.held = threading.Event()
        self.held.set()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.held.wait(30)
        self.spans += spans
        return SpanExportResult.SUCCESS


class Run:
    """A process that records, and all that it recorded once it is stopped."""

    def __init__(self, share: float) -> None:
        self.kept = Kept()
        self.part = Tracing("tests", URL, share, self.kept, flush_within=0.2)

    async def spans(self) -> dict[str, ReadableSpan]:
        await self.part.stop()
        return {span.name: span for span in self.kept.spans}


def ids(span: ReadableSpan) -> tuple[str, str]:
    """Return a span's trace and parent."""
    assert span.context is not None
    return f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}" if span.parent else ""
