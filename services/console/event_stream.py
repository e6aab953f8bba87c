"""Following server-sent events: a stream that breaks is begun again."""

import json
import time
from collections.abc import Iterator
from typing import Any

from services.console.errors import CommandRefused
from services.console.http_calls import Calls

PATIENCE = 60.0  # seconds without a stream until it is given up
PAUSE = 1.0  # seconds between tries


def events_of(api: Calls, path: str) -> Iterator[dict[str, Any]]:
    """Yield the data of each event until the one named `end`, which is yielded too.

    Raises CommandRefused for a refusal, and where no stream comes about for a minute.
    """
    broken_at: float | None = None
    while True:
        try:
            for name, data in _read(api.lines(path)):
                broken_at = None
                yield data
                if name == "end":
                    return
        except ConnectionError:
            pass
        broken_at = broken_at or time.monotonic()
        if time.monotonic() - broken_at > PATIENCE:
            raise CommandRefused("the stream of progress broke, and does not come back")
        time.sleep(PAUSE)


def _read(lines: Iterator[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    name, data = "message", ""
    for line in lines:
        if not line:
            if data:
                yield name, json.loads(data)
            name, data = "message", ""
        elif line.startswith("event:"):
            name = line[6:].strip()
        elif line.startswith("data:"):
            data += line[5:].strip()
