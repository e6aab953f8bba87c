"""Dead letters: a record that cannot be handled goes to `<topic>.<group>.dlt` with its whole story, byte for byte."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import structlog

from libs.events.topics import dead_letter_topic
from libs.kafka.ceiling import Ceiling
from libs.kafka.errors import Poison, Reason, RecordRefused
from libs.kafka.metrics import DEAD_LETTERS
from libs.kafka.record import Record
from libs.observability.log import frames
from libs.runtime.clock import rfc3339
from libs.runtime.errors import Outage

PREFIX = "dlt_"  # of the headers that are added; all others are the record's own
REPLAYS = PREFIX + "replays"  # how often it was put back; the record that is put back has this one header too
CUT = PREFIX + "value_left_out"  # bytes of a record that was too large for the dead-letter topic
ERROR_BYTES = 1024  # enough for a sentence and a stack, small beside the record
PUBLISH_FOR = 20.0  # seconds for one try to write a dead letter; it is tried until it succeeds
DIGITS = re.compile(r"\+?\d[\d \-().]{5,}\d")  # what may be a phone number
SECRETS = re.compile(r"(?=\S*\d)[A-Za-z0-9_\-+/=]{24,}")  # what may be a token: longer than any word, with digits

log = structlog.get_logger()


class Publisher(Protocol):
    """The part of the bus that writing dead letters needs."""

    async def publish(
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        headers: list[tuple[str, bytes | None]],
        timeout: float,
    ) -> None:
        """Write one record and return after its acknowledgement; raises BusUnavailable."""
        ...


def was_put_back(record: Record) -> bool:
    """Tell whether a record comes from a dead-letter topic: who tries it once more knows that it may die again."""
    return record.header(REPLAYS) is not None


async def _no_hook(_: Record) -> None:
    return None


@dataclass(frozen=True)
class DeadLetterPolicy:
    """What a consumer does with records that it cannot handle.

    `on_dead_letter` runs after the broker's acknowledgement and before the source is committed, at least once: there
    the sender marks the message failed. An Outage in it is waited out, any other exception is logged.
    `schema` names what the record was read as, by default its CloudEvents type.
    """

    service: str
    tries: int = 5  # of a handler that raises: a bug that comes and goes has gone by then
    first_wait: float = 0.1  # seconds before the second try, doubled each time
    ceiling: Ceiling = field(default_factory=Ceiling)
    on_dead_letter: Callable[[Record], Awaitable[None]] = _no_hook
    schema: Callable[[Record], str] = lambda record: record.header("ce_type") or ""


@dataclass(frozen=True, slots=True)
class Story:
    """What a dead letter tells beside the record itself."""

    reason: Reason
    error: str
    attempts: int
    first_seen: datetime

    @classmethod
    def of(cls, error: Exception, attempts: int, first_seen: datetime) -> "Story":
        """Tell the story of a record whose handling ended with this exception."""
        if isinstance(error, Poison):
            return cls(error.reason, redacted(error.error), attempts, first_seen)
        return cls(Reason.HANDLER_FAILED, described(error), attempts, first_seen)


class Burial:
    """Writes dead letters of one group, and waits while the broker is away."""

    def __init__(self, publisher: Publisher, group: str, policy: DeadLetterPolicy) -> None:
        self._publisher = publisher
        self._group = group
        self._policy = policy

    async def bury(self, record: Record, story: Story) -> None:
        """Write the dead letter, then run the policy's hook; raises Outage when either has to wait."""
        try:
            await self._write(record, [*record.headers, *self._added(record, story)])
        except RecordRefused:  # it fits its own topic compressed only: its story is kept, and not what it says
            left_out = (CUT, str(len(record.value or b"")).encode())
            await self._write(record._replace(key=None, value=b""), [*self._added(record, story), left_out])
        DEAD_LETTERS.labels(record.topic, self._group, str(story.reason)).inc()
        log.error(
            "record_buried",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            group=self._group,
            reason=str(story.reason),
            attempts=story.attempts,
        )
        try:
            await self._policy.on_dead_letter(record)
        except Outage:
            raise
        except Exception:
            log.exception("dead_letter_hook_failed", topic=record.topic, offset=record.offset, group=self._group)

    async def _write(self, record: Record, headers: list[tuple[str, bytes | None]]) -> None:
        value = record.value if record.value is not None or record.key is not None else b""
        topic = dead_letter_topic(record.topic, self._group)
        await self._publisher.publish(topic, key=record.key, value=value, headers=headers, timeout=PUBLISH_FOR)

    def _added(self, record: Record, story: Story) -> list[tuple[str, bytes | None]]:
        told = {
            "reason": str(story.reason),
            "error": story.error,
            "topic": record.topic,
            "partition": str(record.partition),
            "offset": str(record.offset),
            "attempts": str(story.attempts),
            "first_seen": rfc3339(story.first_seen),
            "service": self._policy.service,
            "group": self._group,
            "schema": self._policy.schema(record),
        }
        return [(PREFIX + name, text.encode()) for name, text in told.items()]


def redacted(text: str) -> str:
    """Return the text without what may be a phone number or a token, cut to 1 KB."""
    return _cut(DIGITS.sub("[…]", SECRETS.sub("[…]", text)))


def described(error: Exception) -> str:
    """Say of what type an exception is and where it was raised; its own text may hold anything, so it is left out."""
    return _cut(f"{type(error).__name__} at " + " < ".join(reversed(frames(error))))


def _cut(text: str) -> str:
    return text.encode()[:ERROR_BYTES].decode(errors="ignore")
