"""Commands for what lies in Kafka: replay raw webhooks; look at dead letters and put them back."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from libs.events.topics import META_WEBHOOKS
from libs.kafka.dead_letters import PREFIX
from libs.runtime.clock import rfc3339
from services.console.errors import CommandRefused
from services.console.options import DEFAULT_STATE, AsJson, State
from services.console.printing import console, print_json, print_rows
from services.console.records import Range, Stored, counts, producing, read, topics_ending_in
from services.console.target import target_of

SUFFIX = ".dlt"
SHOWN = 100  # dead letters that `list` shows of one topic

Partition = Annotated[int | None, typer.Option(min=0, help="Only this partition.")]
FromOffset = Annotated[int | None, typer.Option(min=0, help="First offset.")]
ToOffset = Annotated[int | None, typer.Option(min=0, help="Offset before which to stop.")]
Topic = Annotated[str, typer.Argument(metavar="TOPIC", help="A dead-letter topic as `list` shows it.")]

replay = typer.Typer(no_args_is_help=True, help="Put records back into a topic: webhooks.")
dead_letters = typer.Typer(no_args_is_help=True, help="Records that could not be handled: list, show, replay.")


@replay.command("webhooks")
def replay_webhooks(
    since: Annotated[str | None, typer.Option(help="RFC 3339 time of the first, e.g. 2026-11-23T09:00:00Z.")] = None,
    until: Annotated[str | None, typer.Option(help="Time before which to stop.")] = None,
    partition: Partition = None,
    from_offset: FromOffset = None,
    to_offset: ToOffset = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count them.")] = False,
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Let tracker read raw webhooks again; what it knows already changes nothing.

    Example: wabus replay webhooks --since 2026-11-23T09:00:00Z --until 2026-11-23T10:00:00Z
    """
    if partition is None and (from_offset is not None or to_offset is not None):
        raise CommandRefused("offsets mean something within one partition only: give --partition too")
    wanted = Range(partition, from_offset, to_offset, _time(since), _time(until))
    count = asyncio.run(_produce_again(target_of(state).need("kafka"), META_WEBHOOKS, wanted, dry_run))
    if as_json:
        print_json({"topic": META_WEBHOOKS, "records": count, "dry_run": dry_run})
    else:
        console.print(f"{count} webhooks {'would be' if dry_run else 'were'} put back into {META_WEBHOOKS}")


async def _produce_again(bootstrap: str, topic: str, wanted: Range, dry_run: bool) -> int:
    # The ends are taken before the first record is written, so a replay does not read what it wrote itself.
    count = 0
    async with producing(bootstrap) as producer:
        async for record in read(bootstrap, topic, wanted):
            if not dry_run:
                await producer.send(topic, record.value, record.key, headers=record.own_headers())
            count += 1
        await producer.flush()
    return count


@dead_letters.command("list")
def list_dead_letters(
    topic: Annotated[str | None, typer.Argument(metavar="[TOPIC]", help="All topics, counted, if not said.")] = None,
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Count dead letters by topic, or list those of one topic.

    Example: wabus dead-letters list meta.webhooks.v1.tracker.dlt
    """
    bootstrap = target_of(state).need("kafka")
    if topic is None:
        found = asyncio.run(_counted(bootstrap))
        print_rows([{"topic": name, "records": count} for name, count in found.items()], ("topic", "records"), as_json)
        return
    rows = [_row(record) for record in asyncio.run(_collected(bootstrap, _checked(topic), Range(), SHOWN))]
    print_rows(rows, ("partition", "offset", "at", "reason", "error", "source", "attempts"), as_json)


async def _counted(bootstrap: str) -> dict[str, int]:
    return await counts(bootstrap, await topics_ending_in(bootstrap, SUFFIX))


async def _collected(bootstrap: str, topic: str, wanted: Range, most: int | None) -> list[Stored]:
    return [record async for record in read(bootstrap, topic, wanted, most)]


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
    wanted = Range(partition, offset, offset + 1)
    found = asyncio.run(_collected(target_of(state).need("kafka"), _checked(topic), wanted, 1))
    if not found:
        raise CommandRefused(f"{topic} has no record {partition}:{offset}")
    told = {name: record_header.decode(errors="replace") for name, record_header in found[0].headers if record_header}
    shown: dict[str, Any] = _row(found[0]) | {"headers": told, "bytes": len(found[0].value or b"")}
    print_json(shown | ({"value": (found[0].value or b"").decode(errors="replace")} if value else {}))


@dead_letters.command("replay")
def replay_dead_letters(
    topic: Topic,
    partition: Partition = 0,
    from_offset: FromOffset = None,
    to_offset: ToOffset = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count them.")] = False,
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Put dead letters back into the topic they came from, after what they died of was mended.

    Example: wabus dead-letters replay meta.webhooks.v1.tracker.dlt --from-offset 17 --to-offset 18
    """
    wanted = Range(partition, from_offset, to_offset)
    count = asyncio.run(_put_back(target_of(state).need("kafka"), _checked(topic), wanted, dry_run))
    if as_json:
        print_json({"topic": topic, "records": count, "dry_run": dry_run})
    else:
        console.print(f"{count} dead letters {'would be' if dry_run else 'were'} put back")


async def _put_back(bootstrap: str, topic: str, wanted: Range, dry_run: bool) -> int:
    count = 0
    async with producing(bootstrap) as producer:
        async for record in read(bootstrap, topic, wanted):
            source = record.header(PREFIX + "topic")
            if source is None:
                raise CommandRefused(f"{topic} {record.partition}:{record.offset} does not say where it came from")
            if not dry_run:
                await producer.send(source, record.value, record.key, headers=record.own_headers())
            count += 1
        await producer.flush()
    return count


def _row(record: Stored) -> dict[str, Any]:
    story = {name: record.header(PREFIX + name) for name in ("reason", "error", "attempts", "first_seen", "service")}
    place = [record.header(PREFIX + name) for name in ("topic", "partition", "offset")]
    at = rfc3339(datetime.fromtimestamp(record.timestamp / 1000, UTC))
    return {"partition": record.partition, "offset": record.offset, "at": at, **story, "source": _joined(place)}


def _joined(place: list[str | None]) -> str | None:
    return f"{place[0]} {place[1]}:{place[2]}" if all(place) else None


def _checked(topic: str) -> str:
    if not topic.endswith(SUFFIX):
        raise CommandRefused(f"{topic} is not a dead-letter topic: `wabus dead-letters list` shows them")
    return topic


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CommandRefused(f"{text!r} is not a time: say it as 2026-11-23T09:00:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
