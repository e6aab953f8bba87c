"""A customer's side of webhooks: a local receiver with many paths, and a tenant that has endpoints at it."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.running import Number, Stack, until
from tests.support.shared_stack import Tenant, new_tenant


@dataclass(frozen=True)
class Hit:
    """One POST that came: where, with what, when (monotonic)."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def event(self) -> dict[str, Any]:
        """Return the body as the event that it is."""
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def id(self) -> str:
        """Return the webhook id."""
        return self.headers["webhook-id"]

    def signatures(self) -> list[str]:
        """Return the signatures that it carries."""
        return self.headers["webhook-signature"].split(" ")

    def is_signed_by(self, secret: str) -> bool:
        """Check the signature as the specification says, with code of our own."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        content = b".".join((self.id.encode(), self.headers["webhook-timestamp"].encode(), self.body))
        expected = "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
        fresh = abs(time.time() - int(self.headers["webhook-timestamp"])) < 300
        return fresh and expected in self.signatures()


@dataclass
class Receiver:
    """What came, by path, and what each path answers: its statuses in turn, the last one for ever; 200 by default."""

    port: int
    hits: dict[str, list[Hit]] = field(default_factory=lambda: defaultdict(list))
    answers: dict[str, list[int]] = field(default_factory=dict)
    words: dict[str, bytes] = field(default_factory=dict)
    held: dict[str, threading.Event] = field(default_factory=dict)

    def url(self, path: str) -> str:
        """Return a path's address."""
        return f"http://127.0.0.1:{self.port}{path}"

    def hold(self, path: str) -> threading.Event:
        """Have a path answer nothing until the event is set."""
        return self.held.setdefault(path, threading.Event())

    def of(self, path: str, *types: str) -> list[Hit]:
        """Return what came at a path, of these event types."""
        return [hit for hit in self.hits[path] if not types or hit.event["type"] in types]

    def waits(self, path: str, count: int, *types: str, seconds: float = 15.0) -> list[Hit]:
        """Wait until so many came, and return them."""
        what = f"{count} at {path}"
        return list(until(lambda: it if len(it := self.of(path, *types)) >= count else None, what, seconds, 0.02))

    def status_of(self, path: str) -> int:
        """Return the status of the next answer."""
        planned = self.answers.get(path, [200])
        return planned.pop(0) if len(planned) > 1 else planned[0]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: Any) -> None:
        """A notifier that was killed leaves broken connections: that is what some tests are about."""


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.hits[self.path].append(Hit(self.path, headers, body, time.monotonic()))
            if self.path in receiver.held:
                receiver.held[self.path].wait(30)
            status, words = receiver.status_of(self.path), receiver.words.get(self.path, b"")
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", receiver.url("/redirected"))
            self.send_header("Content-Length", str(len(words)))
            self.end_headers()
            self.wfile.write(words)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a receiver on a port of the system's."""
    receiver = Receiver(0)
    with _Server(("127.0.0.1", 0), _handler(receiver)) as server:
        receiver.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            for event in receiver.held.values():
                event.set()
            server.shutdown()
            thread.join(5)


class Customer:
    """A tenant with a number and with endpoints at a receiver."""

    def __init__(self, stack: Stack, receiver: Receiver, tenant: Tenant, number: Number) -> None:
        self.stack, self.receiver, self.tenant, self.number = stack, receiver, tenant, number

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """Call the API below `/webhook_endpoints` with the tenant's key."""
        return self.stack.call(method, f"/webhook_endpoints{path}", body, key=self.tenant.key, **more)

    def does(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        """Call and return the body of an answer that must have this status."""
        answer = self.call(method, path, body)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json() if answer.content else None

    def listens(self, path: str, events: Sequence[str] = ("*",), **more: Any) -> dict[str, Any]:
        """Make an endpoint at a path of the receiver."""
        body = {"url": self.receiver.url(path), "events": list(events)} | more
        made: dict[str, Any] = self.does("POST", "", body, 201)
        return made

    def says(self, user: str, **more: Any) -> str:
        """Send a text to somebody whose window is open; -> the message's id."""
        body = {"phone_number_id": self.number.id, "to": f"+{user}", "text": "hello"} | more
        sent = self.stack.call("POST", "/messages", body, key=self.tenant.key)
        assert sent.status_code == 202, sent.text
        return str(sent.json()["id"])

    def deliveries(self, endpoint: dict[str, Any], **query: str) -> list[dict[str, Any]]:
        """Return an endpoint's newest deliveries."""
        text = "&".join(f"{name}={value}" for name, value in ({"limit": "100"} | query).items())
        rows: list[dict[str, Any]] = self.does("GET", f"/{endpoint['id']}/deliveries?{text}")["data"]
        return rows


def new_customer(stack: Stack, receiver: Receiver, name: str) -> Customer:
    """Make a tenant and connect a number for it."""
    tenant = new_tenant(stack, name)
    made = stack.box("POST", "/accounts", {"throughput": 1000, "messaging_limit": "UNLIMITED"})
    number = made["phone_numbers"][0]["phone_number_id"]
    body = {"waba_id": made["waba_id"], "phone_number_id": number, "access_token": made["access_token"]}
    answer = stack.call("POST", "/onboarding/manual", body, key=tenant.key)
    assert answer.status_code == 201, answer.text
    return Customer(stack, receiver, tenant, Number(stack, made["waba_id"], number, made))
