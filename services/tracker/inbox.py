"""What people wrote: who they are, when their window closes, what they said of consent, and the message itself."""

from collections.abc import Sequence

from libs.directory.directory import Directory
from libs.graph.webhooks import MessageItem
from libs.kafka.record import Outgoing
from libs.ledger.inbound import InboundStore
from libs.ledger.opt_out_words import OptOutWordsBook
from libs.ledger.people import Encounter
from libs.runtime.clock import Clock
from services.tracker import telling
from services.tracker.acquaintances import Acquaintances
from services.tracker.items import Placed
from services.tracker.metrics import DROPPED, INBOUND, META_DELAY
from services.tracker.readings import KNOWN_TYPES, DoesNotFit, Inbound, inbound_message, read_inbound
from services.tracker.store import KeptAside, MisfitStore

Read = tuple[Placed, MessageItem, Inbound]


class Inbox:
    """Takes in inbound messages, many at once."""

    def __init__(
        self, directory: Directory, acquaintances: Acquaintances, inbound: InboundStore, misfits: MisfitStore,
        words: OptOutWordsBook, clock: Clock,
    ) -> None:  # fmt: skip
        self._directory = directory
        self._acquaintances = acquaintances
        self._inbound = inbound
        self._misfits = misfits
        self._words = words
        self._clock = clock

    async def take(self, items: Sequence[Placed], beside: Sequence[Encounter]) -> list[Outgoing]:
        """Write the messages among items, and whom the rest of the batch met `beside`; -> the events of the messages.

        What statuses tell of people comes first: they name them as we addressed them, which their contact's id is of.
        Raises MongoUnavailable with nothing lost: taking them again ends in the same records.
        """
        messages, aside = list[Read](), list[KeptAside]()
        for it in items:
            if isinstance(it.item, MessageItem):
                await self._read(it, it.item, messages, aside)
        await self._misfits.keep(aside)
        return await self._write(messages, beside)

    async def _read(self, it: Placed, item: MessageItem, messages: list[Read], aside: list[KeptAside]) -> None:
        number = await self._directory.numbers.get(item.phone_number_id)
        if number is None or not it.may_speak_of(number.tenant):
            DROPPED.labels("unknown_number").inc()
            return
        try:
            read = read_inbound(item, number.tenant, it.arrived, await self._words.hearing(number.tenant))
        except DoesNotFit as error:
            aside.append(it.aside(str(error), item.item, self._clock.now()))
            return
        META_DELAY.observe(max((it.arrived - read.at).total_seconds(), 0.0))
        INBOUND.labels(read.type if read.type in KNOWN_TYPES else "other").inc()
        messages.append((it, item, read))

    async def _write(self, messages: Sequence[Read], beside: Sequence[Encounter]) -> list[Outgoing]:
        now = self._clock.now()
        known = await self._acquaintances.meet([*beside, *(read.encounter for _, _, read in messages)])
        stored = [inbound_message(item, read, known, it.arrived) for it, item, read in messages]
        await self._inbound.insert(stored)
        return [
            telling.received(message, now, it.record.trace)
            for message, (it, _, _) in zip(stored, messages, strict=True)
        ]
