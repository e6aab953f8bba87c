"""One trace of a message, from the request to the customer's webhook: spans, and W3C's `traceparent` between services.

Off (no WABUS_TRACES_URL) nothing of OpenTelemetry is loaded, and each function here is one look at a variable. On, the
work is done in `recorder.py`. A span is recorded or it does not exist for us: of traces that were not chosen nothing is
stored or passed on, so whoever finds no `traceparent` has nothing to do.
"""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Protocol, Self

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

    from libs.observability.recorder import Recorder

HEADER = "traceparent"  # of HTTP; in Kafka it is the attribute of that name (libs/events/envelope.py)
FLUSH_WITHIN = 3.0  # seconds at a stop: far below its bound, and what is not out by then is only a picture of the past

Kind = Literal["server", "client", "consumer", "internal"]
Attributes = Mapping[str, str | int]

_recorder: "Recorder | None" = None


class Span(Protocol):
    """A step of a trace, open from `with` to the end of its block."""

    traceparent: str | None

    def __enter__(self) -> Self:
        """Make it what this task is at."""
        ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """End it; an exception's type is noted, its text is not."""
        ...

    def named(self, name: str) -> None:
        """Give it another name."""
        ...

    def note(self, attributes: Attributes) -> None:
        """Add attributes; names that are not in the list of `recorder.py` are dropped."""
        ...

    def failed(self, word: str) -> None:
        """Note that it failed, with a code of ours or of Meta's."""
        ...

    def end(self) -> None:
        """End one that was begun by `begin`."""
        ...


class _Nothing:
    """The span of what is not recorded."""

    traceparent: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        return

    def named(self, name: str) -> None:
        """Nothing has a name."""

    def note(self, attributes: Attributes) -> None:
        """Nothing is noted."""

    def failed(self, word: str) -> None:
        """Nothing is noted."""

    def end(self) -> None:
        """Nothing ends."""


_NOTHING = _Nothing()


def is_on() -> bool:
    """Tell whether this process records traces."""
    return _recorder is not None


def current() -> str | None:
    """Return the `traceparent` of the span that this task is in; None where it is in none that is recorded."""
    return None if _recorder is None else _recorder.current()


def trace_id() -> str | None:
    """Return the trace of the span that this task is in, for log lines."""
    return None if _recorder is None else _recorder.trace_id()


def begin(
    name: str, kind: Kind, parent: str | None, attributes: Attributes | None = None, *, root: bool = False
) -> Span:
    """Return a span that continues `parent`; one that is `root` begins a trace where there is none, by the share.

    Without either it is a span of nothing. `parent` may be any text: what is no `traceparent` counts as none.
    """
    if _recorder is None or (parent is None and not root):
        return _NOTHING
    return _recorder.begin(name, kind, parent, attributes, root=root) or _NOTHING


def step(
    name: str, kind: Kind, parent: str | None, attributes: Attributes, began: int | None = None, *, root: bool = False
) -> str | None:
    """Record something that is over, begun at a time in nanoseconds (else just now); -> its `traceparent`."""
    if _recorder is None or (parent is None and not root):
        return None
    span = _recorder.begin(name, kind, parent, attributes, root=root, began=began)
    if span is None:
        return None
    span.end()
    return span.traceparent


class Tracing:
    """A part: while it runs, this process records traces and sends them to a collector. Without a URL it is nothing.

    Tests may hand in an `exporter`, which gets the spans in place of the URL, and another bound of a stop.
    """

    def __init__(
        self,
        service: str,
        url: str | None,
        share: float,
        exporter: "SpanExporter | None" = None,
        flush_within: float = FLUSH_WITHIN,
    ) -> None:
        self._service = service
        self._url = url
        self._share = share
        self._exporter = exporter
        self._flush_within = flush_within

    async def start(self) -> None:
        """Load OpenTelemetry and begin to record; a collector that is away is no reason not to start."""
        global _recorder
        if self._url is None:
            return
        from libs.observability.recorder import Recorder  # here: who does not trace does not pay for its memory

        _recorder = Recorder(self._service, self._url, self._share, self._exporter)

    async def stop(self) -> None:
        """Send what is left, for a few seconds at most."""
        global _recorder
        recorder, _recorder = _recorder, None
        if recorder is not None:
            await asyncio.wait({recorder.close()}, timeout=self._flush_within)
