"""What the page shows, told by server-sent events: each part whole whenever it changed, so that a stream that broke
loses nothing when it comes again.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from services.sandbox.accounts import Accounts
from services.sandbox.clock import iso
from services.sandbox.delivery import Deliveries
from services.sandbox.people import People
from services.sandbox.store import Store

MOST_STREAMS = 20  # pages at once: each looks on its own
LOOK_EVERY = 0.2  # seconds between looks
REST = 10  # times that a look took, so that pages leave the sandbox to those who test
HEARTBEAT = 10.0  # seconds without an event until a comment says that the stream lives
PHONES, LOG = 100, 30  # people and log rows that are told
RETRY = b"retry: 500\n\n"  # milliseconds after which a page comes again when the stream broke


class TooManyStreams(Exception):
    """As many pages look already as may."""


class Watching:
    """Streams of events. All end when `stopping` says that the process does."""

    def __init__(self, people: People, accounts: Accounts, deliveries: Deliveries, store: Store) -> None:
        self.stopping: Callable[[], bool] = lambda: False
        self._people, self._accounts, self._deliveries, self._store = people, accounts, deliveries, store
        self._streams = 0

    def stream(self, phone: str) -> AsyncIterator[bytes]:
        """Return the events for a page that shows a person's phone (none where empty). Raises TooManyStreams."""
        if self._streams >= MOST_STREAMS:
            raise TooManyStreams
        return self._events(phone)

    async def _events(self, phone: str) -> AsyncIterator[bytes]:
        self._streams += 1
        loop = asyncio.get_running_loop()
        told: dict[str, str] = {}
        after, told_at = -1, loop.time()
        try:
            yield RETRY
            while not self.stopping():
                began = loop.time()
                for name, data in self._parts(phone):
                    if told.get(name) != data:
                        told[name], told_at = data, loop.time()
                        yield _event(name, data)
                if rows := self._sends(after):
                    after, told_at = rows[-1]["seq"], loop.time()
                    yield _event("sends", json.dumps(rows))
                if loop.time() - told_at > HEARTBEAT:
                    told_at = loop.time()
                    yield b": \n\n"
                await asyncio.sleep(max(LOOK_EVERY, REST * (loop.time() - began)))
        finally:
            self._streams -= 1

    def _parts(self, phone: str) -> Iterator[tuple[str, str]]:
        numbers = [
            {"name": account["name"]} | {name: number[name] for name in ("phone_number_id", "display_phone_number")}
            for account in self._accounts.shown() for number in account["phone_numbers"]
        ]  # fmt: skip
        yield "numbers", json.dumps(numbers)
        yield "phones", json.dumps(self._people.phones(PHONES))
        if phone:
            yield "phone", json.dumps(self._people.phone(phone))
        log = [{name: row[name] for name in ("at", "fields", "try", "result")} for row in self._deliveries.shown(LOG)]
        yield "webhooks", json.dumps({"pending": self._deliveries.pending(), "data": log})

    def _sends(self, after: int) -> list[dict[str, Any]]:
        """Return the accepted sends after one, the latest of all where none was told yet."""
        rows = self._store.sends_after(after, LOG) if after >= 0 else self._store.latest_sends(LOG)
        return [
            {"seq": row.seq, "at": iso(row.at), "to": row.person, "type": row.type, "outcome": row.outcome}
            for row in rows
        ]


def _event(name: str, data: str) -> bytes:
    return f"event: {name}\ndata: {data}\n\n".encode()
