import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from deploy.local.services import SERVICES
from libs.events.envelope import TRACEPARENT, Envelope, read_envelope
from libs.kafka.record import Record
from libs.kafka.traces import traced
from libs.observability import tracing
from libs.observability.log import with_trace
from libs.observability.recorder import QUEUE
from libs.runtime.clock import SystemClock
from libs.web.answers import Answer
from libs.web.door import Door
from tests.support.recording import Run, ids
from tests.unit.kafka.fakes import record

TRACE, CLIENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{CLIENT}-01", f"00-{TRACE}-{CLIENT}-00"


@pytest.fixture
async def recording() -> AsyncIterator[Run]:
    """Recording what somebody asks for, and of new traces none."""
    run = Run(0.0)
    await run.part.start()
    yield run
    run.kept.held.set()
    await run.part.stop()


async def recorded(share: float, count: int, parent: str | None = None) -> int:
    run = Run(share)
    await run.part.start()
    made = [tracing.step("s", "internal", parent, {}, root=True) for _ in range(count)]
    await run.part.stop()
    assert all(each is None or int(each[-2:], 16) & 1 for each in made), "what is passed on says that it is recorded"
    assert len(run.kept.spans) == sum(each is not None for each in made)
    return len(run.kept.spans)


PROBE = f"""
import asyncio, importlib, sys
for name in {[service.name for service in SERVICES]!r}:
    importlib.import_module(f"services.{{name}}.app")
from libs.observability import tracing
from libs.runtime.run import run
async def work():
    part = tracing.Tracing("edge", None, 1.0)
    await part.start()
    with tracing.begin("a", "server", {SAMPLED!r}, root=True) as span:
        assert (tracing.current(), tracing.trace_id(), span.traceparent) == (None, None, None)
    assert tracing.step("b", "internal", {SAMPLED!r}, {{}}, root=True) is None
    assert tracing.begin("c", "client", {SAMPLED!r}) is tracing.begin("d", "client", None)
    await part.stop()
asyncio.run(work())
dear = ("opentelemetry.sdk", "opentelemetry.exporter", "google.protobuf", "libs.observability.recorder")
print([name for name in sys.modules if name.startswith(dear)])
"""


def test_without_a_url_nothing_is_loaded_and_nothing_is_recorded() -> None:
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


async def test_a_span_goes_on_with_the_trace_it_is_given_and_its_own_below_it(recording: Run) -> None:
    with tracing.begin("request", "server", SAMPLED) as request:
        assert tracing.current() == request.traceparent
        assert tracing.trace_id() == TRACE
        below = await asyncio.create_task(_current())
        assert below == request.traceparent
        tracing.step("later", "client", request.traceparent, {})
    assert tracing.current() is None
    spans = await recording.spans()
    assert request.traceparent is not None
    assert ids(spans["request"]) == (TRACE, CLIENT)
    assert ids(spans["later"]) == (TRACE, request.traceparent.split("-")[2])


async def _current() -> str | None:
    return tracing.current()


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", f"00-{'0' * 32}-{CLIENT}-01", f"ff-{TRACE}-{CLIENT}-01", SAMPLED + "-more", "é" * 70, "1" * 999],
)
async def test_what_is_no_traceparent_counts_as_none(recording: Run, text: str) -> None:
    assert tracing.step("s", "consumer", text, {}) is None
    assert tracing.step("s", "server", text, {}, root=True) is None
    assert await recording.spans() == {}


@pytest.mark.parametrize(("share", "least", "most"), [(0.0, 0, 0), (0.25, 150, 350), (1.0, 1000, 1000)])
async def test_of_new_traces_the_share_is_recorded(share: float, least: int, most: int) -> None:
    assert least <= await recorded(share, 1000) <= most


async def test_a_caller_decides_about_its_own_trace_whatever_the_share() -> None:
    assert await recorded(0.0, 10, SAMPLED) == 10
    assert await recorded(1.0, 10, UNSAMPLED) == 0


async def test_only_listed_attributes_are_shown_and_of_an_error_its_type(recording: Run) -> None:
    def work() -> None:
        about = {"wabus.message_id": "m", "to": "+15551234567", "text": "hello"}
        with tracing.begin("s", "client", SAMPLED, about) as span:
            span.note({"wabus.status": "sent", "recipient": "+15551234567"})
            raise ValueError("no such number: +15551234567")

    with pytest.raises(ValueError, match="5551234567"):
        work()
    seen = (await recording.spans())["s"]
    assert dict(seen.attributes or {}) == {"wabus.message_id": "m", "wabus.status": "sent", "error.type": "ValueError"}
    assert not seen.events
    assert "5551234567" not in seen.to_json()
    assert not seen.status.is_ok


async def test_log_lines_name_the_trace_they_belong_to(recording: Run) -> None:
    with tracing.begin("s", "client", SAMPLED):
        assert with_trace(None, "", {"event": "e"}) == {"event": "e", "trace_id": TRACE}
    assert with_trace(None, "", {"event": "e"}) == {"event": "e"}


async def test_a_collector_that_answers_nothing_holds_up_neither_work_nor_a_stop(recording: Run) -> None:
    recording.kept.held.clear()
    began = time.monotonic()
    for _ in range(2 * QUEUE):
        tracing.step("s", "client", SAMPLED, {})
    worked = time.monotonic()
    await recording.part.stop()
    assert worked - began < 5
    assert time.monotonic() - worked < 1
    assert not tracing.is_on()
    recording.kept.held.set()


async def test_a_batch_has_a_span_for_each_record_that_carries_a_trace(recording: Run) -> None:
    given: list[Record] = []

    async def handle(records: Sequence[Record]) -> None:
        given.extend(records)

    with_one, without = record(1, headers=((TRACEPARENT, SAMPLED.encode()),)), record(2)
    await traced(handle, "readers")([with_one, without])
    assert [each.offset for each in given] == [1, 2]
    assert given[0].headers == with_one.headers, "a record is handled, and buried, as it came"
    assert given[1] is without
    [span] = (await recording.spans()).values()
    assert ids(span) == (TRACE, CLIENT)
    assert span.context is not None
    assert given[0].trace == f"00-{TRACE}-{span.context.span_id:016x}-01"
    assert (span.attributes or {})["wabus.group"] == "readers"


async def test_a_batch_that_raises_fails_in_its_traces_and_raises(recording: Run) -> None:
    async def handle(records: Sequence[Record]) -> None:
        raise KeyError("+15551234567")

    with pytest.raises(KeyError):
        await traced(handle, "readers")([record(1, headers=((TRACEPARENT, SAMPLED.encode()),))])
    [span] = (await recording.spans()).values()
    assert (span.attributes or {})["error.type"] == "KeyError"


def test_an_envelope_carries_a_traceparent_only_where_there_is_one() -> None:
    plain = Envelope("1", "T.v1", "tests", SystemClock().now())
    assert TRACEPARENT not in dict(plain.headers())
    carried = plain._replace(traceparent=SAMPLED)
    assert dict(carried.headers())[TRACEPARENT] == SAMPLED.encode()
    assert read_envelope(carried.headers()) == carried


async def get(door: Door, path: str, *headers: tuple[bytes, bytes]) -> int:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    scope = {"type": "http", "method": "GET", "path": path, "headers": list(headers), "query_string": b""}
    await door(scope, receive, send)
    return int(sent[0]["status"])


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"].startswith("/people/"):
        scope["route"] = type("Route", (), {"path": "/people/{number}"})
    await Answer(b"{}", 500 if scope["path"] == "/broken" else 200)(scope, receive, send)


async def hot(request: Request) -> Answer:
    return Answer((tracing.current() or "none").encode())


def the_door(**more: Any) -> Door:
    return Door(app, {("GET", "/hot"): hot}, **more)


async def test_a_request_is_a_span_named_by_its_route_and_not_by_what_its_path_holds(recording: Run) -> None:
    asked = (b"traceparent", SAMPLED.encode())
    for path in ("/hot", "/people/15551234567", "/broken", "/healthz", "/metrics"):
        await get(the_door(), path, asked)
    spans = await recording.spans()
    assert set(spans) == {"GET /hot", "GET /people/{number}", "GET unrouted"}
    assert {ids(span) for span in spans.values()} == {(TRACE, CLIENT)}
    assert (spans["GET unrouted"].attributes or {})["error.type"] == "500"
    assert "15551234567" not in json.dumps([span.to_json() for span in spans.values()])


async def test_behind_edge_no_request_begins_a_trace() -> None:
    run = Run(1.0)
    await run.part.start()
    await get(the_door(behind_edge=True), "/hot")
    await get(the_door(), "/people/1")
    await get(the_door(behind_edge=True), "/hot", (b"traceparent", SAMPLED.encode()))
    spans = await run.spans()
    assert set(spans) == {"GET /people/{number}", "GET /hot"}
    assert len(run.kept.spans) == 2, "the one without a traceparent was nobody's choice"
    assert ids(spans["GET /hot"])[0] == TRACE
