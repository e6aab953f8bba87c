"""Dead letters as a tenant's admin sees them: those whose envelope names the tenant, wherever they lie."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiokafka.errors import KafkaError  # type: ignore[import-untyped]

from libs.kafka.bus import Bus, BusUnavailable
from libs.kafka.dead_letter_reader import SUFFIX, DeadLetter, DeadLetterReader, replay
from libs.runtime.clock import Clock
from libs.web.errors import BadRequest, Conflict, NotFound, TooManyRequests, Unavailable, wrong
from services.edge.dead_letter_store import DeadLetterStore, Document

READ_WITHIN = 15.0  # seconds: the caller waits
READERS = 2  # at once: each is a connection to Kafka of its own
OPEN, REPLAYED, DISCARDED = "open", "replayed", "discarded"
STATES = (OPEN, REPLAYED, DISCARDED)


class DeadLetters:
    """Lists, shows, replays and discards dead letters of tenants.

    Kafka keeps them until their time is up whatever becomes of them, so what became of them is noted beside.
    A letter without a tenant (a webhook as Meta sent it may speak of several) is for the operator's command line.
    """

    def __init__(self, bus: Bus, store: DeadLetterStore, clock: Clock) -> None:
        self._bus = bus
        self._store = store
        self._clock = clock
        self._readers = asyncio.Semaphore(READERS)

    async def page(
        self, tenant: str, topic: str | None, state: str, limit: int, after: str | None
    ) -> Sequence[DeadLetter]:
        """Return the tenant's letters of one dead-letter topic, or of all, in a state, newest first.

        Raises Invalid for no such topic or state, BadRequest for a cursor that is no letter of the tenant's.
        """
        if state not in STATES:
            raise wrong("state", f"Must be one of {', '.join(STATES)}.")
        settled = await self._store.settled(tenant)

        def chosen(letter: DeadLetter) -> bool:
            return letter.tenant == tenant and settled.get(letter.place, OPEN) == state

        async with self._reader() as reader:
            known = await reader.topics()
            if topic is not None and topic not in known:
                raise wrong("topic", f"Must be a dead-letter topic: they end in {SUFFIX}.")
            last = await self._found(reader, known, tenant, after) if after is not None else None
            if after is not None and last is None:
                words = "starting_after must be the id of the last row of the page before."
                raise BadRequest(words, param="starting_after")
            return await reader.page(known if topic is None else [topic], limit, chosen, last)

    async def get(self, tenant: str, place: str) -> tuple[DeadLetter, Document | None]:
        """Return a letter of the tenant's, and what became of it. Raises NotFound."""
        async with self._reader() as reader:
            letter = await self._found(reader, await reader.topics(), tenant, place)
        if letter is None:
            raise NotFound("There is no such dead letter.", code="dead_letter_not_found", param="dead_letter_id")
        return letter, await self._store.get(tenant, place)

    async def replay(self, tenant: str, place: str) -> tuple[DeadLetter, Document]:
        """Put a letter back into the topic it came from, byte for byte.

        Raises NotFound, and Conflict where it was replayed or discarded, or does not say where it came from.
        """
        letter, note = await self.get(tenant, place)
        if note is not None:
            raise _settled(note)
        if not letter.returnable:
            raise Conflict("The dead letter does not say where it came from.", code="dead_letter_without_source")
        try:
            await replay(self._bus, letter)
        except BusUnavailable:
            raise _away() from None
        return letter, await self._store.settle(tenant, place, REPLAYED, self._clock.now())

    async def discard(self, tenant: str, place: str) -> tuple[DeadLetter, Document]:
        """Note that nothing is to become of a letter. Raises NotFound, and Conflict where it was replayed."""
        letter, _ = await self.get(tenant, place)
        note = await self._store.settle(tenant, place, DISCARDED, self._clock.now())
        if note["state"] != DISCARDED:
            raise _settled(note)
        return letter, note

    @asynccontextmanager
    async def _reader(self) -> AsyncIterator[DeadLetterReader]:
        if self._readers.locked():
            raise TooManyRequests("Others are reading dead letters now.", code="busy", retry_after=1)
        async with self._readers:
            try:
                async with asyncio.timeout(READ_WITHIN), DeadLetterReader(self._bus) as reader:
                    yield reader
            except (KafkaError, BusUnavailable, TimeoutError):
                raise _away() from None

    async def _found(
        self, reader: DeadLetterReader, known: Sequence[str], tenant: str, place: str
    ) -> DeadLetter | None:
        topic, _, rest = place.partition(":")
        partition, _, offset = rest.partition(":")
        if topic not in known or not _is_number(partition, 6) or not _is_number(offset, 18):
            return None
        letter = await reader.show(topic, int(partition), int(offset))
        return letter if letter is not None and letter.tenant == tenant and letter.place == place else None


def _is_number(text: str, digits: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= digits


def _settled(note: Document) -> Conflict:
    return Conflict(f"The dead letter was {note['state']} before.", code=f"dead_letter_{note['state']}")


def _away() -> Unavailable:
    return Unavailable("The queue does not answer; nothing was changed. Try again.", retry_after=2)
