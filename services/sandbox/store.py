"""The sandbox's memory: one SQLite file, written in groups of a few milliseconds, before any answer that relies on it.

`objects` holds what exists (one JSON document each); `sends` is the accepted log with what is to become of each
message; `charges` what those cost that are delivered; `inbound` what users wrote; `webhooks` those not yet taken;
`reached` who counts against a messaging limit.
"""

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import structlog

log = structlog.get_logger()

HALF_HOUR = 1800  # seconds: the shortest span that charges are told apart by
GROUP_SECONDS = 0.004  # what an answer waits at most, so that a commit is shared by the sends of a few milliseconds

_TABLES = """
CREATE TABLE IF NOT EXISTS objects (kind TEXT, id TEXT, doc TEXT, PRIMARY KEY (kind, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sends (
  seq INTEGER PRIMARY KEY, at REAL, number_id TEXT, person TEXT, type TEXT, callback TEXT, wamid TEXT, outcome TEXT,
  body TEXT, plan TEXT, open INTEGER);
CREATE INDEX IF NOT EXISTS sends_of_person ON sends (person);
CREATE INDEX IF NOT EXISTS sends_open ON sends (seq) WHERE open = 1;
CREATE TABLE IF NOT EXISTS charges (
  seq INTEGER PRIMARY KEY, waba_id TEXT, at INTEGER, number TEXT, country TEXT, category TEXT, kind TEXT);
CREATE INDEX IF NOT EXISTS charges_of_account ON charges (waba_id, at);
CREATE TABLE IF NOT EXISTS inbound (
  wamid TEXT PRIMARY KEY, at REAL, number_id TEXT, person TEXT, message TEXT, read_at REAL);
CREATE INDEX IF NOT EXISTS inbound_of_person ON inbound (person);
CREATE TABLE IF NOT EXISTS webhooks (
  id INTEGER PRIMARY KEY, due REAL, waba_id TEXT, number_id TEXT, person TEXT, field TEXT, value TEXT);
CREATE TABLE IF NOT EXISTS reached (portfolio_id TEXT, person TEXT, at REAL, PRIMARY KEY (portfolio_id, person));
"""


class SendRow(NamedTuple):
    """One accepted message; `plan` is the JSON list of its steps, `open` 1 until all their webhooks are settled."""

    seq: int
    at: float
    number_id: str
    person: str
    type: str
    callback: str | None
    wamid: str
    outcome: str
    body: str
    plan: str
    open: int


class ChargeRow(NamedTuple):
    """What a message costs once it is delivered at a time (seconds since 1970)."""

    seq: int
    waba_id: str
    at: int
    number: str
    country: str
    category: str
    kind: str


class Charged(NamedTuple):
    """How many messages of one kind were delivered in the half hour that begins at a time."""

    at: int
    number: str
    country: str
    category: str
    kind: str
    volume: int


class WebhookRow(NamedTuple):
    """A webhook that is not the status of a send: it is kept until it was taken."""

    id: int
    due: float
    waba_id: str
    number_id: str | None
    person: str | None
    field: str
    value: str


class InboundRow(NamedTuple):
    """A message that a user wrote."""

    wamid: str
    at: float
    number_id: str
    person: str
    message: str
    read_at: float | None


class Store:
    """Writes are queued in order and committed together; `flushed()` returns once all queued so far are on disk.

    `synchronous=OFF` is right here: a commit is in the operating system's hands, so it survives the death of the
    process (kill -9), and only a power cut could take the last ones of a simulator.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(directory / "sandbox.sqlite", isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.executescript(_TABLES)
        self._queue: list[tuple[str, tuple[Any, ...]]] = []
        self._waiters: list[asyncio.Future[None]] = []
        self._timer: asyncio.TimerHandle | None = None

    # -- writing

    def put(self, kind: str, object_id: str, doc: dict[str, Any]) -> None:
        """Queue the new state of an object."""
        self._write("INSERT OR REPLACE INTO objects VALUES (?, ?, ?)", (kind, object_id, json.dumps(doc)))

    def remove(self, kind: str, object_id: str) -> None:
        """Queue the end of an object."""
        self._write("DELETE FROM objects WHERE kind = ? AND id = ?", (kind, object_id))

    def add_send(self, row: SendRow) -> None:
        """Queue an accepted message."""
        self._write("INSERT INTO sends VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def add_charge(self, row: ChargeRow) -> None:
        """Queue what a message costs."""
        self._write("INSERT INTO charges VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def close_send(self, seq: int) -> None:
        """Queue that all webhooks of a send are settled."""
        self._write("UPDATE sends SET open = 0 WHERE seq = ?", (seq,))

    def add_inbound(self, row: InboundRow) -> None:
        """Queue a message of a user."""
        self._write("INSERT OR REPLACE INTO inbound VALUES (?, ?, ?, ?, ?, ?)", row)

    def mark_read(self, row: InboundRow, at: float) -> None:
        """Queue that the business has read this message and all earlier ones of the thread."""
        self._write(
            "UPDATE inbound SET read_at = ? WHERE number_id = ? AND person = ? AND at <= ? AND read_at IS NULL",
            (at, row.number_id, row.person, row.at),
        )

    def add_webhook(self, row: WebhookRow) -> None:
        """Queue a webhook that is to be delivered."""
        self._write("INSERT INTO webhooks VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def close_webhook(self, webhook_id: int) -> None:
        """Queue that a webhook was taken, or given up."""
        self._write("DELETE FROM webhooks WHERE id = ?", (webhook_id,))

    def add_reached(self, portfolio_id: str, person: str, at: float) -> None:
        """Queue that a person counts against a portfolio's messaging limit from now on."""
        self._write("INSERT OR REPLACE INTO reached VALUES (?, ?, ?)", (portfolio_id, person, at))

    async def flushed(self) -> None:
        """Return once everything queued so far is committed."""
        if not self._queue:
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    def flush(self) -> None:
        """Commit everything that is queued, now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        queue, self._queue = self._queue, []
        waiters, self._waiters = self._waiters, []
        problem = self._commit(queue)
        for waiter in waiters:
            if waiter.done():
                continue
            if problem is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(problem)
        if problem is not None:
            log.error("state_not_written", reason=problem.sqlite_errorname)

    def _commit(self, queue: list[tuple[str, tuple[Any, ...]]]) -> sqlite3.Error | None:
        """Write one group whole or not at all; return what went wrong (a full disk, say)."""
        execute = self._db.execute
        try:
            execute("BEGIN")
            for statement, values in queue:
                execute(statement, values)
            execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                execute("ROLLBACK")
            return error
        return None

    def close(self) -> None:
        """Commit and let go of the file."""
        self.flush()
        self._db.close()

    def _write(self, statement: str, values: tuple[Any, ...]) -> None:
        self._queue.append((statement, values))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GROUP_SECONDS, self.flush)

    # -- reading (what is still queued is committed first)

    def load(self, kind: str) -> list[dict[str, Any]]:
        """Return every object of a kind."""
        return [json.loads(row[0]) for row in self._read("SELECT doc FROM objects WHERE kind = ?", (kind,))]

    def settings(self) -> dict[str, dict[str, Any]]:
        """Return the knobs that were turned, by name."""
        return {
            name: json.loads(doc) for name, doc in self._read("SELECT id, doc FROM objects WHERE kind = 'Setting'", ())
        }

    def last_seq(self) -> int:
        """Return the number of the last accepted message, 0 when there is none."""
        return int(next(self._read("SELECT coalesce(max(seq), 0) FROM sends", ()))[0])

    def sends_after(self, after: int, limit: int) -> list[SendRow]:
        """Return the accepted log in order of arrival."""
        return [
            SendRow(*row)
            for row in self._read("SELECT * FROM sends WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit))
        ]

    def latest_sends(self, limit: int) -> list[SendRow]:
        """Return the latest of the accepted log, in order of arrival."""
        rows = self._read("SELECT * FROM sends ORDER BY seq DESC LIMIT ?", (limit,))
        return [SendRow(*row) for row in rows][::-1]

    def charged(self, waba_id: str, start: int, end: int) -> list[Charged]:
        """Return what an account was charged for from one time up to, without it, another."""
        statement = (
            "SELECT at - at % ? AS begun, number, country, category, kind, count(*) FROM charges "
            "WHERE waba_id = ? AND at >= ? AND at < ? GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5"
        )
        return [Charged(*row) for row in self._read(statement, (HALF_HOUR, waba_id, start, end))]

    def open_sends(self) -> list[SendRow]:
        """Return the sends that still have webhooks to deliver."""
        return [SendRow(*row) for row in self._read("SELECT * FROM sends WHERE open = 1 ORDER BY seq", ())]

    def sends_to(self, person: str, limit: int) -> list[SendRow]:
        """Return the latest messages to a person, newest first."""
        return [
            SendRow(*row)
            for row in self._read("SELECT * FROM sends WHERE person = ? ORDER BY seq DESC LIMIT ?", (person, limit))
        ]

    def sent(self, person: str, wamid: str) -> SendRow | None:
        """Return one message to a person."""
        row = next(self._read("SELECT * FROM sends WHERE person = ? AND wamid = ?", (person, wamid)), None)
        return SendRow(*row) if row else None

    def inbound_from(self, person: str, limit: int) -> list[InboundRow]:
        """Return the latest messages of a person, newest first."""
        return [
            InboundRow(*row)
            for row in self._read("SELECT * FROM inbound WHERE person = ? ORDER BY at DESC LIMIT ?", (person, limit))
        ]

    def inbound(self, wamid: str) -> InboundRow | None:
        """Return one message of a user."""
        row = next(self._read("SELECT * FROM inbound WHERE wamid = ?", (wamid,)), None)
        return InboundRow(*row) if row else None

    def webhooks(self) -> list[WebhookRow]:
        """Return the webhooks that were not taken yet."""
        return [WebhookRow(*row) for row in self._read("SELECT * FROM webhooks ORDER BY id", ())]

    def reached(self, since: float) -> list[tuple[str, str, float]]:
        """Return (portfolio, person, time) of those who count since then."""
        return list(self._read("SELECT portfolio_id, person, at FROM reached WHERE at > ?", (since,)))

    def people(self, limit: int) -> list[tuple[str, float]]:
        """Return (person, time of the last message) of those in the latest 5,000 messages each way, latest first."""
        statement = (
            "SELECT person, max(at) AS latest FROM "
            "(SELECT * FROM (SELECT person, at FROM sends ORDER BY seq DESC LIMIT 5000) UNION ALL "
            "SELECT * FROM (SELECT person, at FROM inbound ORDER BY rowid DESC LIMIT 5000))"
            " GROUP BY person ORDER BY latest DESC LIMIT ?"
        )
        return list(self._read(statement, (limit,)))

    def _read(self, statement: str, values: tuple[Any, ...]) -> Iterator[Any]:
        if self._queue:
            self.flush()
        return iter(self._db.execute(statement, values).fetchall())
