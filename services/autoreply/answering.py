"""From a person's message to the messages that a bot asks to be sent: exactly one answer however often it is read."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any

from libs.directory.cache import EntryCache
from libs.directory.directory import Directory
from libs.events.messages import MessageReceived
from libs.kafka.batches import Rejected
from libs.kafka.errors import Poison
from libs.kafka.events import read_event
from libs.kafka.record import Record
from libs.kafka.replays import is_for
from libs.ledger.contacts import Contact, ContactReader, alias
from libs.ledger.opt_out_words import OptOutWordsBook
from libs.ledger.reader import MessageReader
from libs.runtime.clock import Clock
from services.autoreply.bot_store import BotStore
from services.autoreply.carrying_out import CarryingOut, ToDo
from services.autoreply.deciding import IN_A_GROUP, Circumstances, Outcome, decide
from services.autoreply.decisions import document_of, recipient_of
from services.autoreply.handover import SOURCE
from services.autoreply.metrics import DECIDED
from services.autoreply.rules import Heard, heard_in
from services.autoreply.talk_store import TalkStore
from services.autoreply.turns import Turns

BOT_KEPT = 1.0  # seconds: no event tells that a bot was changed, and who changes it tries it

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Spoken:
    """A person's message to a number whose bot is switched on."""

    tenant: str
    event: MessageReceived
    bot: Document
    trace: str | None = None

    @property
    def who(self) -> str:
        """The name that the person wrote under."""
        return self.event.sender or self.event.user_id or ""


class Answering:
    """Handles batches of `messages.inbound.v1`: of each conversation one message after the other, all side by side."""

    def __init__(
        self, directory: Directory, bots: BotStore, talks: TalkStore, contacts: ContactReader, messages: MessageReader,
        words: OptOutWordsBook, turns: Turns, carrying_out: CarryingOut, clock: Clock, stale_after: timedelta,
    ) -> None:  # fmt: skip
        self._directory = directory
        self._store = bots
        self._talks = talks
        self._contacts = contacts
        self._messages = messages
        self._words = words
        self._turns = turns
        self._carrying_out = carrying_out
        self._clock = clock
        self._stale_after = stale_after
        self._bots: EntryCache[Document | None] = EntryCache(self._bot, clock, BOT_KEPT)

    async def take(self, records: Sequence[Record]) -> Sequence[Rejected]:
        """Answer a batch; -> the records that cannot be read. Raises Outage; repeating it changes nothing."""
        threads: dict[str, list[Spoken]] = defaultdict(list)
        rejected, forgotten = [], []
        for record in records:
            try:
                envelope, event = read_event(record, MessageReceived)
            except Poison as poison:
                rejected.append(Rejected(record, poison.reason, poison.error))
                continue
            if event.forgotten:
                forgotten.append(event.message_id)
                continue
            bot = await self._bot_of(envelope.tenant, event.phone_number_id) if is_for(record, SOURCE) else None
            if bot is not None:
                threads[event.conversation_id].append(Spoken(envelope.tenant, event, bot, record.trace))
        for wave in zip_longest(*threads.values()):  # what is decided on one message may matter for the next
            await self._answer([spoken for spoken in wave if spoken is not None])
        if forgotten:
            await self._turns.forget(await self._talks.forget(forgotten))
        return rejected

    async def _bot_of(self, tenant: str, phone_number_id: str) -> Document | None:
        number = await self._directory.number(tenant, phone_number_id)
        if number is None or number.answering_bot is None:
            return None
        return await self._bots.get(f"{tenant}\x1f{number.answering_bot}")

    async def _answer(self, spoken: Sequence[Spoken]) -> None:
        """Decide on messages of different conversations, and carry out what is not done yet."""
        talks, people = await asyncio.gather(
            self._talks.talks([each.event.conversation_id for each in spoken]),
            self._contacts.find([(each.tenant, each.who) for each in spoken]),
        )
        now = self._clock.now()
        made: dict[str, Document] = {}
        for each in spoken:
            heard = await self._heard(each)
            contact, talk = people.get(alias(each.tenant, each.who)), talks.get(each.event.conversation_id, {})
            case = await self._case(each, heard, talk, contact, now)
            found = decide(each.bot, heard, case)
            DECIDED.labels(found.outcome.value).inc()
            made[each.event.message_id] = document_of(each.tenant, each.bot["_id"], each.event, found, now, each.trace)
        kept = await self._talks.decide(list(made.values()))
        await self._carry_out([(kept[each.event.message_id], each) for each in spoken])

    async def _heard(self, spoken: Spoken) -> Heard:
        event, first = spoken.event, False
        text, payload = heard_in(event.content, event.type)
        if any(rule["match"]["type"] == "first" for rule in spoken.bot.get("rules", ())):
            first = await self._messages.first_inbound(spoken.tenant, event.conversation_id) == event.message_id
        kind = IN_A_GROUP if event.group_id is not None else event.type
        return Heard(kind, text, payload, event.at, first, event.profile_name, event.sender)

    async def _case(
        self, spoken: Spoken, heard: Heard, talk: Document, contact: Contact | None, now: datetime
    ) -> Circumstances:
        hearing = await self._words.hearing(spoken.tenant)
        said = hearing.heard(heard.text) if heard.type == "text" else None
        opts_out = said is not None and said[1]
        return Circumstances.of(now, self._stale_after, talk, contact, opts_out=opts_out)

    async def _carry_out(self, decisions: Sequence[tuple[Document, Spoken]]) -> None:
        """Ask for answers at once, or leave them to who thinks. Doing it once more is harmless."""
        opened = [(decision, spoken) for decision, spoken in decisions if decision.get("open")]
        at_once = [
            ToDo(decision, recipient_of(spoken.event), spoken.bot["kind"], spoken.event.at,
                 bool(spoken.bot.get("dialogues")))
            for decision, spoken in opened if decision["outcome"] != Outcome.WAITING
        ]  # fmt: skip
        await asyncio.gather(self._carrying_out.out(at_once), *(
            self._turns.add(spoken.bot, spoken.event, decision)
            for decision, spoken in opened if decision["outcome"] == Outcome.WAITING
        ))  # fmt: skip

    async def _bot(self, place: str) -> Document | None:
        tenant, bot_id = place.split("\x1f")
        return await self._store.get(tenant, bot_id)
