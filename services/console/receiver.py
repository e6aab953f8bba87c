"""The server of the demo's business: takes our webhooks on a local port and checks each signature."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LARGEST = 8 * 1024 * 1024  # bytes of an event: the largest message of a user with room to spare


class Receiver:
    """What was heard, and how many calls were not signed with `secret`."""

    def __init__(self) -> None:
        self.url = ""
        self.secret = ""
        self.unsigned = 0
        self._events: list[dict[str, Any]] = []

    def heard(self) -> list[dict[str, Any]]:
        """Return every event so far."""
        return list(self._events)

    def take(self, headers: Any, body: bytes) -> int:
        """Take an event; -> the status to answer with."""
        if not self._is_ours(headers, body):
            self.unsigned += 1
            return 401
        self._events.append(json.loads(body))
        return 204

    def _is_ours(self, headers: Any, body: bytes) -> bool:
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        given = str(headers["webhook-signature"]).split(" ")
        return any(hmac.compare_digest(expected, each) for each in given)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a receiver on a port of the system's."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        """Hands each POST to the receiver."""

        def do_POST(self) -> None:
            size = min(int(self.headers.get("Content-Length", 0)), LARGEST)
            self.send_response(receiver.take(self.headers, self.rfile.read(size)))
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing: the story is told by the teller."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_port}/wabus"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
