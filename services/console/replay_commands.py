"""`wabus replay webhooks`: let raw webhooks be read once more."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar

import typer
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]

from libs.events.topics import META_WEBHOOKS
from libs.kafka.bus import Bus
from libs.kafka.connection import KafkaConnection
from libs.kafka.errors import BusUnavailable
from libs.kafka.record import Outgoing
from libs.kafka.refusals import knock
from libs.kafka.replays import mark_for, mark_of, marked
from libs.runtime.errors import StartRefused
from services.console.errors import CommandRefused
from services.console.options import DEFAULT_STATE, AsJson, State
from services.console.printing import console, errors_console, print_json
from services.console.records import Range, read
from services.console.target import target_of

T = TypeVar("T")

CHUNK = 200  # records written at once: a few MB of raw webhooks at most as a rule
RATE = 500  # a second: what tracker does beside what comes from Meta meanwhile
REACHED_WITHIN = 15.0  # seconds to find Kafka and read a topic's state
ANSWERED_WITHIN = 10  # minutes: autoreply's `WABUS_AUTOREPLY_STALE_AFTER`, where it was not set
ACTING = ("autoreply", "notifier")  # what acts on the world outside, and passes replays by unless it is asked

replay = typer.Typer(no_args_is_help=True, help="Let records be read once more: webhooks.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(replay, name="replay")


@replay.callback()
def _replay() -> None:
    """Let records be read once more: webhooks."""


@replay.command("webhooks")
def replay_webhooks(
    since: Annotated[
        str | None, typer.Option("--from", help="RFC 3339 time of the first, e.g. 2026-11-23T09:00:00Z.")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="Time before which to stop.")] = None,
    partition: Annotated[int | None, typer.Option(min=0, help="Only this partition.")] = None,
    from_offset: Annotated[int | None, typer.Option(min=0, help="First offset.")] = None,
    to_offset: Annotated[int | None, typer.Option(min=0, help="Offset before which to stop.")] = None,
    tell: Annotated[
        list[str] | None, typer.Option(help=f"Who acts on them as if they were new: {', '.join(ACTING)}.")
    ] = None,
    answered_within: Annotated[
        int, typer.Option(min=1, help="Minutes: what WABUS_AUTOREPLY_STALE_AFTER says where autoreply has it set.")
    ] = ANSWERED_WITHIN,
    rate: Annotated[int, typer.Option(min=1, help="At most so many a second: new ones wait behind them.")] = RATE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count them.")] = False,
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Let tracker read raw webhooks once more: what was lost is there again, what is known stays as it is.

    Nobody is answered, and no customer is told, of what is read again, unless --tell says so. Bots answer only who
    wrote a short while ago: --tell autoreply needs a --from that is not older.

    Example: wabus replay webhooks --from 2026-11-23T09:00:00Z --to 2026-11-23T10:00:00Z
    """
    if partition is None and (from_offset is not None or to_offset is not None):
        raise CommandRefused("offsets mean something within one partition only: give --partition too")
    if unknown := sorted(set(tell or ()) - set(ACTING)):
        raise CommandRefused(f"--tell {unknown[0]}: must be one of {', '.join(ACTING)}")
    if "autoreply" in (tell or ()):
        _check_answered(_time(since), answered_within)
    wanted = Range(partition, from_offset, to_offset, _time(since), _time(until))
    writing = _produce_again(target_of(state).need_kafka(), wanted, mark_for(tell or ()), rate, dry_run)
    count = _run(writing)
    if as_json:
        print_json({"topic": META_WEBHOOKS, "records": count, "dry_run": dry_run})
    else:
        console.print(f"{count} webhooks {'would be' if dry_run else 'will be'} read again")


def _check_answered(since: datetime | None, minutes: int) -> None:
    # It would note of each older message, for good, that nobody answers it: a second try would come too late.
    if since is None or datetime.now(UTC) - since > timedelta(minutes=minutes):
        raise CommandRefused(
            f"autoreply answers nobody who wrote more than {minutes} minutes ago: say --from within them, or leave "
            "autoreply out; or run it with a longer WABUS_AUTOREPLY_STALE_AFTER, and say that here by --answered-within"
        )


async def _produce_again(kafka: KafkaConnection, wanted: Range, mark: str, rate: int, dry_run: bool) -> int:
    # The ends are taken before the first record is written, so a replay does not read what it wrote itself.
    count, chunk = 0, list[Outgoing]()
    bus: Bus | None = None
    await knock(kafka)
    async with AsyncExitStack() as opened:
        with errors_console.status("reading…") as shown:
            async for record in read(kafka, META_WEBHOOKS, wanted):
                if mark_of(record) is not None:
                    continue  # it was read again before; what it was of lies there too
                count += 1
                if dry_run:
                    continue
                if bus is None:
                    bus = await opened.enter_async_context(_bus(kafka))
                chunk.append(Outgoing(META_WEBHOOKS, record.key, record.value, record.headers))
                if len(chunk) >= min(CHUNK, rate):
                    await _write(bus, marked(chunk, mark), rate)
                    chunk = []
                    shown.update(f"{count} webhooks")
            if bus is not None:
                await _write(bus, marked(chunk, mark), rate)
    return count


async def _write(bus: Bus, records: list[Outgoing], rate: int) -> None:
    began = time.monotonic()
    await bus.publish_many(records)
    await asyncio.sleep(max(0.0, len(records) / rate - (time.monotonic() - began)))


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


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CommandRefused(f"{text!r} is not a time: say it as 2026-11-23T09:00:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
