"""Trying a record until it is finished: outages are waited out, bugs are tried a few times, poison is buried."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from libs.kafka.ceiling import CeilingWatch
from libs.kafka.dead_letters import Burial, DeadLetterPolicy, Story, redacted, was_put_back
from libs.kafka.errors import LetGo, Poison, Reason, RecordRefused
from libs.kafka.record import Record
from libs.runtime.clock import Clock
from libs.runtime.errors import Outage

OUTAGE_FIRST_WAIT = 0.1  # seconds before an outage is tried again, doubled each time …
OUTAGE_LONGEST_WAIT = 5.0  # … up to this: what comes back is noticed soon enough

log = structlog.get_logger()


class CeilingReached(Exception):
    """One dead letter more would be too many: the consumer must stop, and this record stays where it is."""


class Attempts:
    """Runs a handler on a record until the record is handled or buried."""

    def __init__(
        self,
        handle: Callable[[Record], Awaitable[object]],
        burial: Burial,
        policy: DeadLetterPolicy,
        watch: CeilingWatch,
        clock: Clock,
    ) -> None:
        self._handle = handle
        self._burial = burial
        self._policy = policy
        self._watch = watch
        self._clock = clock

    async def finish(self, record: Record, leaving: asyncio.Event, before: int = 0) -> None:
        """Return when the record is handled or buried; `before` are tries that already failed.

        Raises LetGo when `leaving` is set while nothing of the record is under way, CeilingReached when burying it
        would be one dead letter too many.
        """
        error = await self._try(record)
        if error is not None:
            await self._go_on(record, leaving, error, before)

    async def _try(self, record: Record) -> Exception | None:
        """Run the handler once and return what it raised."""
        try:
            await self._handle(record)
        except Exception as error:
            return error
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise  # we are being cancelled; otherwise something that the handler awaited was
            return RuntimeError("a task that the handler awaited was cancelled")
        self._watch.finished(1)
        return None

    async def _go_on(self, record: Record, leaving: asyncio.Event, error: Exception, failed: int) -> None:
        first_seen = self._clock.now()
        waits = Waits(leaving)
        again: Exception | None = error
        while again is not None:
            if isinstance(again, Outage | LetGo):
                await waits.for_outage()
            else:
                failed += 1
                if isinstance(again, RecordRefused):  # what follows from it cannot be written, ever
                    story = Story(Reason.REFUSED, redacted(str(again)), failed, first_seen)
                    return await self.bury(record, story, leaving, counts=False)
                if isinstance(again, Poison) or failed >= self._policy.tries:
                    return await self.bury(record, Story.of(again, failed, first_seen), leaving)
                log.warning("handler_raised", topic=record.topic, attempt=failed, exc_info=again)
                await waits.for_seconds(self._policy.first_wait * 2 ** (failed - 1))
            again = await self._try(record)
        return None

    async def bury(self, record: Record, story: Story, leaving: asyncio.Event, *, counts: bool = True) -> None:
        """Write the dead letter, however long the broker is away; raises LetGo and CeilingReached as above.

        What a single sender can bring about does not count (too much in one record, or put back and dead again): the
        ceiling is for bugs of ours, and nobody must be able to stop the consumer for all others.
        """
        counts = counts and not was_put_back(record)
        if counts and not self._watch.allows():
            raise CeilingReached
        waits = Waits(leaving)
        while True:
            try:
                await self._burial.bury(record, story)
            except Outage:
                await waits.for_outage()
            else:
                if counts:
                    self._watch.buried()
                return


class Waits:
    """Waits between tries that end with LetGo as soon as the partition is leaving."""

    def __init__(self, leaving: asyncio.Event) -> None:
        self._leaving = leaving
        self._next = OUTAGE_FIRST_WAIT

    async def for_outage(self) -> None:
        """Wait longer each time."""
        await self.for_seconds(self._next)
        self._next = min(self._next * 2, OUTAGE_LONGEST_WAIT)

    async def for_seconds(self, seconds: float) -> None:
        """Wait so long; raises LetGo when the partition is leaving by then."""
        try:
            async with asyncio.timeout(seconds):
                await self._leaving.wait()
        except TimeoutError:
            return
        raise LetGo
