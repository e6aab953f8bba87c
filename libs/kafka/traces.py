"""Batches and traces: one span for each record that carries a trace, none for the others, open while its batch is run.

Few records carry one (only what is recorded is passed on), so this costs what is recorded. One span per batch with
links to all of them would be cheaper still, but no trace would show it: most viewers do not follow links.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from libs.events.envelope import TRACEPARENT
from libs.kafka.record import Record
from libs.observability import tracing

T = TypeVar("T")
Handle = Callable[[Sequence[Record]], Awaitable[T]]


def traced(handle: Handle[T], group: str) -> Handle[T]:
    """Return the handler of a group's batches with its spans; what it is given names them in `Record.trace`."""

    async def take(records: Sequence[Record]) -> T:
        if not tracing.is_on():
            return await handle(records)
        given, spans = _begun(records, group)
        try:
            return await handle(given)
        except BaseException as error:
            for span in spans:
                span.failed(type(error).__name__)
            raise
        finally:
            for span in spans:
                span.end()

    return take


def consuming(record: Record, group: str, *, root: bool = False) -> tracing.Span:
    """Return the span of handling one record; `root` begins a trace where it carries none."""
    about: dict[str, str | int] = {
        "messaging.system": "kafka", "messaging.operation.type": "process", "messaging.destination.name": record.topic,
        "messaging.destination.partition.id": str(record.partition), "messaging.kafka.offset": record.offset,
        "wabus.group": group,
    }  # fmt: skip
    return tracing.begin(f"process {record.topic}", "consumer", record.header(TRACEPARENT), about, root=root)


def _begun(records: Sequence[Record], group: str) -> tuple[list[Record], list[tracing.Span]]:
    given, spans = [], []
    for record in records:
        if any(name == TRACEPARENT for name, _ in record.headers):
            span = consuming(record, group)
            spans.append(span)
            given.append(record._replace(trace=span.traceparent))
        else:
            given.append(record)
    return given, spans
