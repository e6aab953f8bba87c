"""A collector of traces for tests: OTLP over HTTP, kept in memory."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.running import until


@dataclass(frozen=True)
class Seen:
    """One span that came; ids in hex, `parent` is empty for the first of a trace."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    failed: bool
    attributes: dict[str, str | int]


@dataclass
class Collector:
    """All that came, decoded and raw. While `away` it answers 503."""

    port: int = 0
    away: bool = False
    spans: list[Seen] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    refused: int = 0

    @property
    def url(self) -> str:
        """Return the address that WABUS_TRACES_URL names."""
        return f"http://127.0.0.1:{self.port}/v1/traces"

    def of(self, trace: str, service: str = "", name: str = "") -> list[Seen]:
        """Return the spans of a trace, of one service and with one beginning of their names."""
        return [
            span for span in list(self.spans)
            if span.trace == trace and span.service.startswith(service) and span.name.startswith(name)
        ]  # fmt: skip

    def waits(self, trace: str, service: str, name: str, **attributes: str | int) -> Seen:
        """Wait for a span with such attributes (dots are written as `__`), and return the first."""
        wanted = {key.replace("__", "."): value for key, value in attributes.items()}

        def found() -> Seen | None:
            spans = self.of(trace, service, name)
            return next((span for span in spans if wanted.items() <= span.attributes.items()), None)

        seen: Seen = until(found, f"{service}: {name} {wanted} in {trace}", 20)
        return seen

    def parent_of(self, span: Seen) -> Seen:
        """Wait for the span above one: each process sends when it comes to it."""
        found: Seen = until(
            lambda: next((each for each in self.of(span.trace) if each.id == span.parent), None),
            f"what is above {span.name}", 20,
        )  # fmt: skip
        return found

    def takes(self, body: bytes) -> None:
        """Decode one request."""
        self.raw.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = str(_values(resource.resource.attributes)["service.name"])
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans.append(
                        Seen(
                            service, span.name, span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(),
                            span.status.code == span.status.STATUS_CODE_ERROR, _values(span.attributes),
                        )
                    )  # fmt: skip


def _values(attributes: Sequence[Any]) -> dict[str, str | int]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


def _handler(collector: Collector) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if collector.away:
                collector.refused += 1
            else:
                collector.takes(body)
            self.send_response(503 if collector.away else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector on a port of the system's."""
    collector = Collector()
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(collector)) as server:
        server.daemon_threads = True
        collector.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join(5)
