"""Dead letters for people: list them, look at one, put one back where it came from."""

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple, Self

from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]

from libs.events.topics import dead_letter_topic
from libs.kafka.bus import Bus
from libs.kafka.dead_letters import CUT, PREFIX, REPLAYS
from libs.kafka.record import Outgoing, Record, raw_record

SUFFIX = ".dlt"
POLL_MS = 500  # one poll; the end of what is read is known beforehand
CHUNK = 2_000  # records looked at at once on the way back through a topic where not all are wanted; values are dropped
# Records of a partition bear the times of the processes that wrote them, whose clocks differ, and a write may have been
# tried for a while: one that is older than a time may lie so much behind the first that is not.
SKEW_MS = 300_000

Choice = Callable[["DeadLetter"], bool]


class Place(NamedTuple):
    """Where a letter lies; places sort as `walk` goes through them."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Span:
    """When what is looked for was buried: at or after `since`, before `until`; None is open."""

    since: datetime | None = None
    until: datetime | None = None


class Stretch(NamedTuple):
    """The offsets of a partition from `first` on and before `end`."""

    partition: TopicPartition
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A buried record and its story; `record` is as it lies in the dead-letter topic."""

    record: Record
    reason: str
    error: str
    topic: str
    partition: int
    offset: int
    attempts: int
    first_seen: str
    service: str
    group: str
    schema: str
    replays: int

    @classmethod
    def read(cls, record: Record) -> Self:
        """Read the story from the record's headers; what is missing or unreadable is empty or -1."""

        def text(name: str) -> str:
            return record.header(PREFIX + name) or ""

        def number(name: str) -> int:
            found = text(name)
            return int(found) if found.isdecimal() else -1

        return cls(
            record=record,
            reason=text("reason"),
            error=text("error"),
            topic=text("topic"),
            partition=number("partition"),
            offset=number("offset"),
            attempts=number("attempts"),
            first_seen=text("first_seen"),
            service=text("service"),
            group=text("group"),
            schema=text("schema"),
            replays=max(number("replays"), 0),
        )

    @property
    def place(self) -> str:
        """Where it lies: one text that names it, `topic:partition:offset` of the dead-letter topic."""
        return f"{self.record.topic}:{self.record.partition}:{self.record.offset}"

    @property
    def mark(self) -> str:
        """What notes of it are kept under: a topic that is made anew has other letters at the same places."""
        return f"{self.place}@{self.record.timestamp}"

    @property
    def tenant(self) -> str:
        """Whose it is, by its envelope; empty where that does not say."""
        return self.record.header("ce_tenant") or ""

    @property
    def returnable(self) -> bool:
        """Whether it is whole, says where it came from, and lies where what came from there is put."""
        return (
            self.record.header(CUT) is None
            and bool(self.topic)
            and dead_letter_topic(self.topic, self.group) == self.record.topic
        )

    def without_value(self) -> Self:
        """Return it without the record's value, for lists: a value may have megabytes."""
        return replace(self, record=self.record._replace(value=None))

    def original(self) -> Outgoing:
        """Return the record as it was before it was buried."""
        headers = tuple((name, value) for name, value in self.record.headers if not name.startswith(PREFIX))
        return Outgoing(self.topic, self.record.key, self.record.value, headers)

    def put_back(self) -> Outgoing:
        """Return the record as it is put back: as it was, with how often that was done in a header of ours."""
        original = self.original()
        return original._replace(headers=[*original.headers, (REPLAYS, str(self.replays + 1).encode())])


class DeadLetterReader:
    """Reads dead-letter topics without a group: nothing is committed, everybody sees the same. Use with `async with`.

    Raises KafkaError when the broker cannot be reached.
    """

    def __init__(self, bus: Bus, chunk: int = CHUNK) -> None:
        self._bus = bus
        self._chunk = chunk
        self._consumer: Any = None
        self.looked_at = 0  # letters that Kafka gave us so far

    async def __aenter__(self) -> Self:
        self._consumer = await self._started()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def topics(self) -> list[str]:
        """Return the names of all dead-letter topics."""
        return sorted(topic for topic in await self._bus.all_topics() if topic.endswith(SUFFIX))

    async def page(
        self, topics: Iterable[str], limit: int, chosen: Choice, span: Span, after: DeadLetter | None = None
    ) -> Sequence[DeadLetter]:
        """Return the newest dead letters of the span that are chosen and older than `after`, without their values."""
        found: list[DeadLetter] = []
        for partition, start, end in await self._stretches(topics, span, after):
            mine: list[DeadLetter] = []
            while len(mine) < limit and end > start:
                first = max(start, end - self._chunk)
                older = await self._read(partition, first, end, values=False)
                mine += [it for it in older if (after is None or newness(it) < newness(after)) and chosen(it)]
                end = first
            found = sorted(found + mine, key=newness, reverse=True)[:limit]
        return found

    async def walk(
        self, topics: Iterable[str], span: Span, after: Place | None = None
    ) -> AsyncGenerator[DeadLetter, None]:  # fmt: skip
        """Yield the dead letters of the span that lie there now, and some beside it; with values, in order of place."""
        for partition, start, end in await self._stretches(sorted(topics), span):
            if after is not None and partition < after[:2]:
                continue
            first = start if after is None or partition > after[:2] else max(start, after.offset + 1)
            if first >= end:
                continue
            async with aclosing(self._each(partition, first, end)) as letters:
                async for letter in letters:
                    yield letter

    async def show(self, topic: str, partition: int, offset: int) -> DeadLetter | None:
        """Return the dead letter at this place in its dead-letter topic, None when there is none (any more)."""
        if partition not in await self._partitions(topic):
            return None
        where = TopicPartition(topic, partition)
        starts = await self._consumer.beginning_offsets([where])
        ends = await self._consumer.end_offsets([where])
        if not starts[where] <= offset < ends[where]:
            return None
        found = await self._read(where, offset, offset + 1)
        return found[0] if found and found[0].record.offset == offset else None

    async def _started(self) -> Any:
        consumer = AIOKafkaConsumer(
            **self._bus.connection.options(), enable_auto_commit=False, auto_offset_reset="earliest"
        )
        try:
            await consumer.start()
        except BaseException:
            await consumer.stop()
            raise
        return consumer

    async def _stretches(
        self, topics: Iterable[str], span: Span, after: DeadLetter | None = None
    ) -> Sequence[Stretch]:  # fmt: skip
        """Return what has to be read of each partition for the letters of a span; `after` is newer than all of them."""
        partitions = [TopicPartition(topic, number) for topic in topics for number in await self._partitions(topic)]
        starts = await self._consumer.beginning_offsets(partitions)
        ends = await self._consumer.end_offsets(partitions)
        firsts, lasts = starts, ends
        if span.since is not None:
            firsts = await self._at(partitions, _milliseconds(span.since), ends)
        bounds = [] if span.until is None else [_milliseconds(span.until)]
        bounds += [] if after is None else [after.record.timestamp]
        if bounds:
            lasts = await self._at(partitions, min(bounds) + SKEW_MS, ends)
        found = [Stretch(it, max(starts[it], firsts[it]), min(ends[it], lasts[it])) for it in partitions]
        return [stretch for stretch in found if stretch.first < stretch.end]

    async def _at(
        self, partitions: Sequence[TopicPartition], milliseconds: int, ends: dict[TopicPartition, int]
    ) -> dict[TopicPartition, int]:
        """Return each partition's first offset that is not older than a time, its end where all is older."""
        wanted = dict.fromkeys(partitions, max(milliseconds, 0))
        found = await self._consumer.offsets_for_times(wanted) if wanted else {}
        return {it: ends[it] if found[it] is None else int(found[it].offset) for it in partitions}

    async def _partitions(self, topic: str) -> Sequence[int]:
        return range((await self._bus.partition_counts([topic]))[topic])

    async def _read(
        self, partition: TopicPartition, first: int, end: int, *, values: bool = True
    ) -> Sequence[DeadLetter]:
        if first >= end:
            return []
        return [letter if values else letter.without_value() async for letter in self._each(partition, first, end)]

    async def _each(self, partition: TopicPartition, first: int, end: int) -> AsyncGenerator[DeadLetter, None]:
        # A consumer of its own: aiokafka's stop can wait for ever after a change of what is assigned.
        consumer = await self._started()
        try:
            consumer.assign([partition])
            consumer.seek(partition, first)
            while await consumer.position(partition) < end:
                for records in (await consumer.getmany(partition, timeout_ms=POLL_MS)).values():
                    for raw in records:
                        if raw.offset < end:
                            self.looked_at += 1
                            yield DeadLetter.read(raw_record(raw))
        finally:
            await consumer.stop()


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def newness(letter: DeadLetter) -> tuple[int, str, int, int]:
    """Return what dead letters of all topics are sorted by."""
    record = letter.record
    return (record.timestamp, record.topic, record.partition, record.offset)
