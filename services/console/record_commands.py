"""Commands for what lies in Kafka: replay raw webhooks; look at dead letters and put them back."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import typer
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]

from libs.events.topics import META_WEBHOOKS
from libs.kafka.bus import Bus
from libs.kafka.connection import KafkaConnection
from libs.kafka.dead_letter_reader import SUFFIX, DeadLetter, DeadLetterReader
from libs.kafka.dead_letter_reader import replay as put_back
from libs.kafka.errors import BusUnavailable
from libs.kafka.record import Outgoing
from libs.runtime.clock import rfc3339
from libs.runtime.errors import StartRefused
from services.console.errors import CommandRefused
from services.console.options import DEFAULT_STATE, AsJson, State
from services.console.printing import console, print_json, print_rows
from services.console.records import Range, read
from services.console.target import target_of

T = TypeVar("T")

CHUNK = 200  # records written at once: a few MB of raw webhooks at most as a rule
SHOWN = 100  # dead letters that `list` shows and `replay` takes from one topic
REACHED_WITHIN = 15.0  # seconds to find Kafka and read a topic's state

Topic = Annotated[str, typer.Argument(metavar="TOPIC", help="A dead-letter topic as `list` shows it.")]
Offsets = Annotated[list[int] | None, typer.Argument(min=0, help="Offsets in it.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count them.")]

replay = typer.Typer(no_args_is_help=True, help="Put records back into a topic: webhooks.")
dead_letters = typer.Typer(no_args_is_help=True, help="Records that could not be handled: list, show, replay.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(replay, name="replay")
    app.add_typer(dead_letters, name="dead-letters")


@replay.callback()
def _replay() -> None:
    """Put records back into a topic: webhooks."""


@replay.command("webhooks")
def replay_webhooks(
    since: Annotated[str | None, typer.Option(help="RFC 3339 time of the first, e.g. 2026-11-23T09:00:00Z.")] = None,
    until: Annotated[str | None, typer.Option(help="Time before which to stop.")] = None,
    partition: Annotated[int | None, typer.Option(min=0, help="Only this partition.")] = None,
    from_offset: Annotated[int | None, typer.Option(min=0, help="First offset.")] = None,
    to_offset: Annotated[int | None, typer.Option(min=0, help="Offset before which to stop.")] = None,
    dry_run: DryRun = False,
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Let tracker read raw webhooks again; what it knows already changes nothing.

    Example: wabus replay webhooks --since 2026-11-23T09:00:00Z --until 2026-11-23T10:00:00Z
    """
    if partition is None and (from_offset is not None or to_offset is not None):
        raise CommandRefused("offsets mean something within one partition only: give --partition too")
    wanted = Range(partition, from_offset, to_offset, _time(since), _time(until))
    count = _run(_produce_again(target_of(state).need_kafka(), META_WEBHOOKS, wanted, dry_run))
    _tell_count(count, "webhooks", META_WEBHOOKS, dry_run, as_json)


async def _produce_again(kafka: KafkaConnection, topic: str, wanted: Range, dry_run: bool) -> int:
    # The ends are taken before the first record is written, so a replay does not read what it wrote itself.
    count, chunk = 0, list[Outgoing]()
    async with _bus(kafka) as bus:
        async for record in read(kafka, topic, wanted):
            count += 1
            chunk.append(Outgoing(topic, record.key, record.value, record.headers))
            if len(chunk) == CHUNK and not dry_run:
                await bus.publish_many(chunk)
                chunk = []
        if not dry_run:
            await bus.publish_many(chunk)
    return count


@dead_letters.command("list")
def list_dead_letters(
    topic: Annotated[str | None, typer.Argument(metavar="[TOPIC]", help="All of them if not said.")] = None,
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """List the newest dead letters, of all topics or of one.

    Example: wabus dead-letters list meta.webhooks.v1.tracker.dlt
    """
    rows = [_row(letter) for letter in _run(_listed(target_of(state).need_kafka(), topic))]
    print_rows(rows, ("dead_letter_topic", "place", "at", "reason", "error", "source", "attempts"), as_json)


async def _listed(kafka: KafkaConnection, topic: str | None) -> Sequence[DeadLetter]:
    async with _bus(kafka) as bus, DeadLetterReader(bus) as reader:
        known = await reader.topics()
        return await reader.list(known if topic is None else [_checked(topic, known)], SHOWN)


@dead_letters.command("show")
def show_dead_letter(
    topic: Topic,
    offset: Annotated[int, typer.Argument(min=0)],
    partition: Annotated[int, typer.Option(min=0)] = 0,
    value: Annotated[bool, typer.Option("--value", help="Print the record's own content: it may hold texts.")] = False,
    state: State = DEFAULT_STATE,
) -> None:
    """Show one dead letter with its story.

    Example: wabus dead-letters show meta.webhooks.v1.tracker.dlt 17
    """
    letter = _run(_found(target_of(state).need_kafka(), topic, partition, [offset]))[0]
    content = letter.record.value or b""
    shown = _row(letter) | {"first_seen": letter.first_seen, "schema": letter.schema, "bytes": len(content)}
    headers = {name: text.decode(errors="replace") for name, text in letter.original().headers if text is not None}
    print_json(shown | {"headers": headers} | ({"value": content.decode(errors="replace")} if value else {}))


@dead_letters.command("replay")
def replay_dead_letters(
    topic: Topic,
    offsets: Offsets = None,
    partition: Annotated[int, typer.Option(min=0)] = 0,
    all_of_them: Annotated[bool, typer.Option("--all", help=f"The newest {SHOWN}.")] = False,
    dry_run: DryRun = False,
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Put dead letters back into the topic they came from, after what they died of was mended.

    Example: wabus dead-letters replay meta.webhooks.v1.tracker.dlt 17 18
    """
    if bool(offsets) == all_of_them:
        raise CommandRefused("say which: offsets, or --all")
    count = _run(_put_back(target_of(state).need_kafka(), topic, partition, offsets or [], dry_run))
    _tell_count(count, "dead letters", topic, dry_run, as_json)


async def _put_back(kafka: KafkaConnection, topic: str, partition: int, offsets: list[int], dry_run: bool) -> int:
    letters = await (_found(kafka, topic, partition, offsets) if offsets else _listed(kafka, topic))
    async with _bus(kafka) as bus:
        for letter in sorted(letters, key=lambda letter: letter.record.timestamp):
            if not letter.topic:
                raise CommandRefused(f"{topic} {_place(letter)} does not say where it came from")
            if not dry_run:
                await put_back(bus, letter)
    return len(letters)


async def _found(kafka: KafkaConnection, topic: str, partition: int, offsets: list[int]) -> list[DeadLetter]:
    async with _bus(kafka) as bus, DeadLetterReader(bus) as reader:
        _checked(topic, await reader.topics())
        letters = [await reader.show(topic, partition, offset) for offset in offsets]
    missing = [str(offset) for offset, letter in zip(offsets, letters, strict=True) if letter is None]
    if missing:
        raise CommandRefused(f"{topic} has nothing at {partition}:{', '.join(missing)}")
    return [letter for letter in letters if letter is not None]


@asynccontextmanager
async def _bus(kafka: KafkaConnection) -> AsyncIterator[Bus]:
    bus = Bus(kafka, "console")
    try:
        await bus.start()
        async with asyncio.timeout(REACHED_WITHIN):
            await bus.all_topics()
        yield bus
    finally:
        await bus.stop()


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except (KafkaError, TimeoutError, BusUnavailable) as error:
        raise CommandRefused(f"Kafka does not answer: {type(error).__name__} {error}") from error
    except StartRefused as refused:
        raise CommandRefused(str(refused)) from None


def _row(letter: DeadLetter) -> dict[str, Any]:
    return {
        "dead_letter_topic": letter.record.topic,
        "place": _place(letter),
        "at": rfc3339(datetime.fromtimestamp(letter.record.timestamp / 1000, UTC)),
        "reason": letter.reason,
        "error": letter.error,
        "source": f"{letter.topic} {letter.partition}:{letter.offset}",
        "attempts": letter.attempts,
        "service": letter.service,
    }


def _place(letter: DeadLetter) -> str:
    return f"{letter.record.partition}:{letter.record.offset}"


def _checked(topic: str, known: Sequence[str]) -> str:
    if topic not in known:
        raise CommandRefused(f"{topic} is not a dead-letter topic (they end in {SUFFIX}): `wabus dead-letters list`")
    return topic


def _tell_count(count: int, what: str, topic: str, dry_run: bool, as_json: bool) -> None:
    if as_json:
        print_json({"topic": topic, "records": count, "dry_run": dry_run})
    else:
        console.print(f"{count} {what} of {topic} {'would be' if dry_run else 'were'} put back")


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CommandRefused(f"{text!r} is not a time: say it as 2026-11-23T09:00:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
