"""What the commands for dead letters do when edge is busy, or ends them half way."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from typer.testing import CliRunner, Result

from services.console.__main__ import command_line

BUSY = {"error": {"message": "Others are at the dead letters now.", "code": "busy"}}
AWAY = {"error": {"message": "The queue does not answer.", "code": "unavailable"}}

Reply = tuple[int, dict[str, str], dict[str, Any]]


def some(count: int, *, reached: str | None = None) -> Reply:
    """Return the answer to a call that put some back, and got as far as that with more behind it."""
    sums = {"matched": count, "replayed": count, "without_source": 1}
    return 200, {}, sums | {"has_more": reached is not None, "reached": reached}


def busy(seconds: int) -> Reply:
    return 429, {"Retry-After": str(seconds)}, BUSY


class _Edge(ThreadingHTTPServer):
    """Gives the replies that it is told, one after another, and keeps what came and when."""

    def __init__(self, replies: list[Reply]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.replies = replies
        self.came: list[tuple[str, dict[str, Any], float]] = []


class _Handler(BaseHTTPRequestHandler):
    server: _Edge

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)) or b"{}")
        self.server.came.append((self.path, body, time.monotonic()))
        status, headers, answer = self.server.replies.pop(0)
        raw = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(raw))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    do_GET = do_POST

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def edge(*replies: Reply) -> Iterator[_Edge]:
    """Serve replies."""
    with _Edge(list(replies)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def run(server: _Edge, *words: str) -> Result:
    environment = {"WABUS_EDGE_URL": f"http://127.0.0.1:{server.server_port}", "WABUS_INTERNAL_SECRET": "s" * 32}
    return CliRunner().invoke(command_line(["dead-letters"]), ["dead-letters", *words], env=environment)


def test_who_is_told_to_wait_waits_goes_on_where_it_was_and_has_the_whole_sum() -> None:
    with edge(some(1_000, reached="t.dlt:0:999"), busy(1), some(7)) as server:
        done = run(server, "replay", "--all", "--json")
        assert done.exit_code == 0, done.output
        sums = json.loads(done.stdout)
        assert (sums["matched"], sums["replayed"], sums["without_source"]) == (1_007, 1_007, 2)
        [_, (_, refused, first), (_, repeated, second)] = server.came
    assert second - first >= 0.99
    assert refused == repeated
    assert refused["starting_after"] == "t.dlt:0:999"


def test_what_ends_half_way_says_what_was_done_until_then() -> None:
    with edge(some(1_000, reached="t.dlt:0:999"), (503, {"Retry-After": "2"}, AWAY)) as server:
        done = run(server, "replay", "--all")
    assert done.exit_code == 1
    assert "1000 dead letters were put back" in done.stdout
    assert "The queue does not answer" in str(done.exception)


def test_ids_that_were_done_before_one_is_refused_are_counted() -> None:
    with edge((200, {}, {}), busy(0), (200, {}, {}), (409, {}, {"error": {"code": "dead_letter_replayed"}})) as server:
        done = run(server, "replay", "t.dlt:0:1", "t.dlt:0:2", "t.dlt:0:3", "--json")
        assert [path.rsplit("/", 2)[1] for path, _, _ in server.came] == [
            "t.dlt:0:1", "t.dlt:0:2", "t.dlt:0:2", "t.dlt:0:3",
        ]  # fmt: skip
    assert json.loads(done.stdout)["replayed"] == 2
    assert "dead_letter_replayed" in str(done.exception)


def test_where_nothing_was_done_nothing_is_counted() -> None:
    with edge((422, {}, {"error": {"code": "invalid_field"}})) as server:
        done = run(server, "discard", "--all", "--why", "a test", "--topic", "no.such.dlt")
    assert (done.exit_code, done.stdout) == (1, "")


def test_a_count_without_doing_goes_through_all_of_them() -> None:
    with edge(some(1_000, reached="t.dlt:0:999"), some(7)) as server:
        done = run(server, "replay", "--all", "--dry-run")
        assert all(body["dry_run"] for _, body, _ in server.came)
    assert "1007 dead letters would be put back" in done.stdout


def test_a_count_of_ids_waits_where_it_is_told_to() -> None:
    with edge(busy(0), (200, {}, {})) as server:
        done = run(server, "replay", "t.dlt:0:1", "--dry-run")
        assert [path.rsplit("/", 1)[1] for path, _, _ in server.came] == ["t.dlt:0:1", "t.dlt:0:1"]
    assert done.stdout == "1 dead letter would be put back\n"
