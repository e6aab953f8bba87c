"""Dead letters as a tenant's admin sees them, and as our own tools do: a tenant's are those whose envelope names it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass

from aiokafka.errors import KafkaError  # type: ignore[import-untyped]

from libs.kafka.bus import Bus, BusUnavailable
from libs.kafka.dead_letter_reader import SUFFIX, DeadLetter, DeadLetterReader
from libs.runtime.clock import Clock
from libs.runtime.errors import Outage
from libs.web.errors import BadRequest, Conflict, NotFound, TooManyRequests, Unavailable, wrong
from services.edge.dead_letter_choice import DISCARDED, REPLAYED, STATES, Choice, place_of
from services.edge.dead_letter_cursors import Cursors, Reached
from services.edge.dead_letter_store import DeadLetterStore, Document
from services.edge.errors import SearchTooWide
from services.edge.metrics import DEAD_LETTERS_SETTLED

READ_WITHIN = 15.0  # seconds: the caller waits
LOOK_FOR = 10.0  # seconds after which a call for many ends with what it has done so far, and says where it is
READERS = 2  # of tenants at once, one each, beside one of the operator's: each is a connection to Kafka of its own
AT_ONCE = 200  # letters put back, then noted: whoever dies in between puts at most so many back twice
AT_ONCE_BYTES = 16 * 1024 * 1024


@dataclass(slots=True)
class Settled:
    """What became of many: how many were meant, were put back or discarded; how many could not be put back, which are
    beside these; and what another call goes on with, None where this one came to the end.
    """

    matched: int = 0
    settled: int = 0
    without_source: int = 0
    reached: str | None = None


class DeadLetters:
    """Lists, shows, replays and discards dead letters.

    Kafka keeps them until their time is up whatever becomes of them, so what became of them is noted beside. A
    letter without a tenant (a webhook as Meta sent it may speak of several) is for the operator, whose tenant is None.
    """

    def __init__(
        self, bus: Bus, store: DeadLetterStore, cursors: Cursors, clock: Clock, *,
        look_for: float = LOOK_FOR, read_within: float = READ_WITHIN,
    ) -> None:  # fmt: skip
        self._bus = bus
        self._store = store
        self._cursors = cursors
        self._clock = clock
        self._look_for = look_for
        self._read_within = read_within
        self._reading: set[str | None] = set()

    async def page(self, choice: Choice, limit: int, after: str | None) -> Sequence[DeadLetter]:
        """Return the letters that are meant, newest first.

        Raises Invalid for no such topic or state, BadRequest for a cursor that is no letter of the tenant's,
        Unavailable where there are too many to look at in time.
        """
        if choice.state not in STATES:
            raise wrong("state", f"Must be one of {', '.join(STATES)}.")
        settled = await self._store.settled(choice.tenant)
        async with self._reader(choice.tenant, lists=True) as reader:
            topics, known = await self._topics(reader, choice)
            last = await self._found(reader, known, choice.tenant, after) if after is not None else None
            if after is not None and last is None:
                words = "starting_after must be the id of the last row of the page before."
                raise BadRequest(words, param="starting_after")
            return await reader.page(topics, limit, lambda letter: choice.takes(letter, settled), choice.span, last)

    async def get(self, tenant: str | None, place: str) -> tuple[DeadLetter, Document | None]:
        """Return a letter, and what became of it. Raises NotFound."""
        async with self._reader(tenant) as reader:
            letter = await self._found(reader, await reader.topics(), tenant, place)
        if letter is None:
            raise NotFound("There is no such dead letter.", code="dead_letter_not_found", param="dead_letter_id")
        return letter, await self._store.get(letter.tenant, letter.mark)

    async def replay(self, tenant: str | None, place: str) -> tuple[DeadLetter, Document]:
        """Put a letter back into the topic it came from, byte for byte, beside a header that counts it.

        Raises NotFound, and Conflict where it was replayed or discarded, or does not say where it came from.
        """
        async with self._turn():
            letter, note = await self.get(tenant, place)
            if note is not None:
                raise _settled(note)
            if not letter.returnable:
                raise Conflict(
                    "The dead letter is not whole, or does not say where it came from.",
                    code="dead_letter_without_source",
                )
            await self._put_back([letter])
            note = await self._store.settle(letter.tenant, letter.mark, REPLAYED, None, self._clock.now())
        DEAD_LETTERS_SETTLED.labels(letter.record.topic, REPLAYED).inc()
        return letter, note

    async def discard(self, tenant: str | None, place: str, why: str | None) -> tuple[DeadLetter, Document]:
        """Note that nothing is to become of a letter, and why. Raises NotFound, and Conflict where it was replayed."""
        async with self._turn():
            letter, before = await self.get(tenant, place)
            note = await self._store.settle(letter.tenant, letter.mark, DISCARDED, why, self._clock.now())
        if note["state"] != DISCARDED:
            raise _settled(note)
        if before is None:
            DEAD_LETTERS_SETTLED.labels(letter.record.topic, DISCARDED).inc()
        return letter, note

    async def replay_all(self, choice: Choice, limit: int, after: str | None, *, dry_run: bool) -> Settled:
        """Put the open letters that are meant back, at most `limit`, in the order of their places, beginning behind the
        one that an earlier call reached.

        What dies again while this goes on is another letter, and is met neither by this call nor by those that go on
        from it. Raises Invalid for no such topic, BadRequest for an `after` that no call of the tenant's reached.
        """
        return await self._all(choice, limit, after, REPLAYED, None, dry_run=dry_run)

    async def discard_all(
        self, choice: Choice, limit: int, after: str | None, why: str, *, dry_run: bool
    ) -> Settled:  # fmt: skip
        """Let nothing become of the open letters that are meant; raises as `replay_all` does."""
        return await self._all(choice, limit, after, DISCARDED, why, dry_run=dry_run)

    async def _all(
        self, choice: Choice, limit: int, after: str | None, state: str, why: str | None, *, dry_run: bool
    ) -> Settled:
        async with self._turn():
            return await self._each(choice, limit, after, state, why, dry_run=dry_run)

    async def _each(
        self, choice: Choice, limit: int, after: str | None, state: str, why: str | None, *, dry_run: bool
    ) -> Settled:
        done, waiting, size = Settled(), list[DeadLetter](), 0
        settled = await self._store.settled(choice.tenant)
        ends, began = self._clock.monotonic() + self._look_for, self._clock.now()
        async with self._reader(choice.tenant) as reader:
            topics, known = await self._topics(reader, choice)
            way = Reached(None, began) if after is None else self._cursors.read(choice.tenant, after, known)
            meant = choice if after is None else choice.before(way.began)
            last = way.place
            async with aclosing(reader.walk(topics, meant.span, way.place)) as letters:
                async for letter in letters:
                    is_meant = meant.takes(letter, settled)
                    is_late = last != way.place and self._clock.monotonic() >= ends
                    if is_late or (is_meant and done.matched == limit):
                        done.reached = self._cursors.written(choice.tenant, Reached(last, way.began))
                        break
                    last = place_of(letter.place, known)
                    if not is_meant:
                        continue
                    if state == REPLAYED and not letter.returnable:
                        done.without_source += 1
                        continue
                    done.matched += 1
                    if not dry_run:
                        waiting.append(letter)
                        size += len(letter.record.value or b"")
                    if len(waiting) == AT_ONCE or size >= AT_ONCE_BYTES:
                        await self._settle(waiting, state, why, done)
                        waiting, size = [], 0
            await self._settle(waiting, state, why, done)
        return done

    async def _settle(self, letters: Sequence[DeadLetter], state: str, why: str | None, done: Settled) -> None:
        if not letters:
            return
        if state == REPLAYED:
            await self._put_back(letters)
        await self._store.settle_all([(it.tenant, it.mark) for it in letters], state, why, self._clock.now())
        done.settled += len(letters)
        for letter in letters:
            DEAD_LETTERS_SETTLED.labels(letter.record.topic, state).inc()

    async def _put_back(self, letters: Sequence[DeadLetter]) -> None:
        try:
            await self._bus.publish_many([letter.put_back() for letter in letters])
        except BusUnavailable:
            raise _away() from None

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        turn = self._store.turn()
        if not await turn.hold():
            raise _busy()
        try:
            yield
        finally:
            with suppress(Outage):  # it runs out
                await turn.release()

    @asynccontextmanager
    async def _reader(self, tenant: str | None, *, lists: bool = False) -> AsyncIterator[DeadLetterReader]:
        others = len(self._reading - {None})
        if tenant in self._reading or (tenant is not None and others == READERS):
            raise _busy()
        self._reading.add(tenant)
        reader = DeadLetterReader(self._bus)
        try:
            async with AsyncExitStack() as held:  # it is let go of when the time is up, and that is waited for
                async with asyncio.timeout(self._read_within):
                    yield await held.enter_async_context(reader)
        except (KafkaError, BusUnavailable):
            raise _away() from None
        except TimeoutError:
            raise (_too_wide(reader.looked_at) if lists and reader.looked_at else _away()) from None
        finally:
            self._reading.remove(tenant)

    async def _topics(self, reader: DeadLetterReader, choice: Choice) -> tuple[Sequence[str], Sequence[str]]:
        """Return the topics that are meant, and all that there are."""
        known = await reader.topics()
        if choice.topic is not None and choice.topic not in known:
            raise wrong("topic", f"Must be a dead-letter topic: they end in {SUFFIX}.")
        return (known if choice.topic is None else [choice.topic]), known

    async def _found(
        self, reader: DeadLetterReader, known: Sequence[str], tenant: str | None, place: str
    ) -> DeadLetter | None:
        where = place_of(place, known)
        if where is None:
            return None
        letter = await reader.show(*where)
        is_theirs = letter is not None and tenant in (None, letter.tenant)
        return letter if letter is not None and is_theirs and letter.place == place else None


def _settled(note: Document) -> Conflict:
    return Conflict(f"The dead letter was {note['state']} before.", code=f"dead_letter_{note['state']}")


def _busy() -> TooManyRequests:
    return TooManyRequests("Others are at the dead letters now.", code="busy", retry_after=1)


def _away() -> Unavailable:
    words = "The queue does not answer. Try again: what it did not confirm is still open; coming twice does no harm."
    return Unavailable(words, retry_after=2)


def _too_wide(count: int) -> SearchTooWide:
    words = f"{count} dead letters were looked at, and the time was up: name a topic, and from and to that are closer."
    return SearchTooWide(words)
