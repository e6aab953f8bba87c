"""From a person's message to the messages that a bot asks to be sent: exactly one answer however often it is read."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any, Final

from libs.directory.cache import EntryCache
from libs.directory.directory import Directory
from libs.events.envelope import Envelope
from libs.events.messages import MessageReceived, SendMessage
from libs.events.model import Told
from libs.events.topics import MESSAGES_REQUESTED
from libs.kafka.batches import Rejected
from libs.kafka.bus import Bus
from libs.kafka.errors import Poison
from libs.kafka.events import outgoing, read_event
from libs.kafka.record import Outgoing, Record
from libs.ledger.contacts import Contact, ContactReader, alias
from libs.ledger.opt_out_words import OptOutWordsBook
from libs.ledger.reader import MessageReader
from libs.requests.commands import message_id_of
from libs.runtime.clock import Clock
from libs.runtime.ids import derived_id
from services.autoreply.bot_store import BotStore
from services.autoreply.deciding import Circumstances, Decision, Outcome, decide
from services.autoreply.handover import SOURCE, changed
from services.autoreply.metrics import ANSWERED, DECIDED, DELAY
from services.autoreply.rules import Heard, heard_in
from services.autoreply.talk_store import TalkStore

BY_RULE: Final = "rule"
TICK = timedelta(milliseconds=1)  # between answers to one message: their ids sort by it

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Spoken:
    """A person's message to a number whose bot is switched on."""

    tenant: str
    event: MessageReceived
    bot: Document

    @property
    def who(self) -> str:
        """The name that the person wrote under."""
        return self.event.sender or self.event.user_id or ""


class Answering:
    """Handles batches of `messages.inbound.v1`: of each conversation one message after the other, all side by side."""

    def __init__(
        self, directory: Directory, bots: BotStore, talks: TalkStore, contacts: ContactReader, messages: MessageReader,
        words: OptOutWordsBook, bus: Bus, clock: Clock, stale_after: timedelta,
    ) -> None:  # fmt: skip
        self._directory = directory
        self._store = bots
        self._talks = talks
        self._contacts = contacts
        self._messages = messages
        self._words = words
        self._bus = bus
        self._clock = clock
        self._stale_after = stale_after
        self._bots: EntryCache[Document | None] = EntryCache(self._bot, clock)

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
            elif (bot := await self._bot_of(envelope.tenant, event.phone_number_id)) is not None:
                threads[event.conversation_id].append(Spoken(envelope.tenant, event, bot))
        for wave in zip_longest(*threads.values()):  # what is decided on one message may matter for the next
            await self._answer([spoken for spoken in wave if spoken is not None])
        if forgotten:
            await self._talks.forget(forgotten)
        return rejected

    async def _bot_of(self, tenant: str, phone_number_id: str) -> Document | None:
        number = await self._directory.number(tenant, phone_number_id)
        if number is None or not number.autoreply or number.bot_id is None:
            return None
        return await self._bots.get(f"{tenant}\x1f{number.bot_id}")

    async def _answer(self, spoken: Sequence[Spoken]) -> None:
        """Decide on messages of different conversations, and carry out what is not done yet."""
        talks, people = await asyncio.gather(
            self._talks.talks([each.event.conversation_id for each in spoken]),
            self._contacts.find([(each.tenant, each.who) for each in spoken]),
        )
        now = self._clock.now()
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)  # as MongoDB keeps it: ids of answers come of it
        made: dict[str, Document] = {}
        for each in spoken:
            heard = await self._heard(each)
            contact, talk = people.get(alias(each.tenant, each.who)), talks.get(each.event.conversation_id, {})
            case = await self._case(each, heard, talk, contact, now)
            found = decide(each.bot, heard, case)
            DECIDED.labels(found.outcome.value).inc()
            made[each.event.message_id] = _document(each, found, now)
        kept = await self._talks.decide(list(made.values()))
        await self._carry_out([(kept[each.event.message_id], each) for each in spoken])

    async def _heard(self, spoken: Spoken) -> Heard:
        event, first = spoken.event, False
        text, payload = heard_in(event.content, event.type)
        if any(rule["match"]["type"] == "first" for rule in spoken.bot["rules"]):
            first = await self._messages.first_inbound(spoken.tenant, event.conversation_id) == event.message_id
        return Heard(event.type, text, payload, event.at, first, event.profile_name, event.sender)

    async def _case(
        self, spoken: Spoken, heard: Heard, talk: Document, contact: Contact | None, now: datetime
    ) -> Circumstances:
        hearing = await self._words.hearing(spoken.tenant)
        said = hearing.heard(heard.text) if heard.type == "text" else None
        return Circumstances(
            now, self._stale_after,
            handed_over="handed_over_at" in talk,
            agent_active="silent_until" in talk and talk["silent_until"] > now,
            opted_out_of_all=contact is not None and contact.opted_out_of_all,
            opts_out=said is not None and said[1],
            answered_at=talk.get("answered_at", ()),
            dialogue=talk.get("dialogue"),
        )  # fmt: skip

    async def _carry_out(self, decisions: Sequence[tuple[Document, Spoken]]) -> None:
        """Ask for answers, and hand over. Doing it once more is harmless: they are the same messages."""
        to_do = [(decision, spoken) for decision, spoken in decisions if decision.get("open")]
        if not to_do:
            return
        over = [decision for decision, _ in to_do if decision["handover"]]
        if over:
            await self._talks.hand_over_all(over, BY_RULE)
        await self._talks.turn([decision for decision, spoken in to_do if spoken.bot.get("dialogues")])
        told = [changed(decision["tenant"], decision, "agent", BY_RULE, decision["at"]) for decision in over]
        commands = [command for decision, spoken in to_do for command in _commands(decision, spoken.event)]
        await self._bus.publish_many([*commands, *told])
        ANSWERED.labels("rules").inc(len(commands))
        for _, spoken in to_do:
            DELAY.observe(max((self._clock.now() - spoken.event.at).total_seconds(), 0.0))
        done = [decision for decision, _ in to_do]
        await asyncio.gather(self._talks.close(done), self._talks.answered([it for it in done if it["answers"]]))

    async def _bot(self, place: str) -> Document | None:
        tenant, bot_id = place.split("\x1f")
        return await self._store.get(tenant, bot_id)


def _document(spoken: Spoken, found: Decision, now: datetime) -> Document:
    event = spoken.event
    decision = {
        "_id": event.message_id, "tenant": spoken.tenant, "bot_id": spoken.bot["_id"],
        "conversation_id": event.conversation_id, "contact_id": event.contact_id,
        "phone_number_id": event.phone_number_id, "at": now, "outcome": found.outcome.value, "rule": found.rule,
        "handover": found.handover, "dialogue": found.dialogue,
    }  # fmt: skip
    envelopes = [_envelope(decision, place) for place in range(len(found.answers))]
    decision["answers"] = [message_id_of(envelope) for envelope in envelopes]
    done = found.outcome is not Outcome.ANSWERED and not found.answers
    to_do = {"open": True, "commands": list(found.answers)} if not done else {}
    return decision | to_do


def _envelope(decision: Document, place: int) -> Envelope:
    return Envelope(
        id=derived_id("answer", decision["_id"], str(place)), type=SendMessage.type_name(), source=SOURCE,
        time=decision["at"] + place * TICK, tenant=decision["tenant"], subject=decision["_id"],
        correlationid=decision["_id"],
    )  # fmt: skip


def _commands(decision: Document, event: MessageReceived) -> list[Outgoing]:
    to = f"+{event.sender}" if event.sender.isdigit() else event.user_id or event.sender
    key = f"{event.phone_number_id}:{to}"
    return [
        outgoing(Told(
            MESSAGES_REQUESTED, key, _envelope(decision, place),
            SendMessage(**{"type": "text"} | answer, phone_number_id=event.phone_number_id, to=to),
        ))
        for place, answer in enumerate(decision["commands"])
    ]  # fmt: skip
