"""From a person's message to the messages that a bot asks to be sent: exactly one answer however often it is read."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

from libs.directory.cache import EntryCache
from libs.directory.directory import Directory
from libs.events.envelope import Envelope
from libs.events.messages import MessageReceived, SendMessage
from libs.events.model import Told
from libs.events.topics import MESSAGES_REQUESTED
from libs.kafka.bus import Bus
from libs.kafka.events import outgoing, read_event
from libs.kafka.record import Outgoing, Record
from libs.ledger.contacts import ContactReader, alias
from libs.ledger.opt_out_words import OptOutWordsBook
from libs.ledger.reader import MessageReader
from libs.requests.commands import message_id_of
from libs.runtime.clock import Clock
from libs.runtime.ids import derived_id
from services.autoreply.bot_store import BotStore
from services.autoreply.deciding import Circumstances, Decision, decide
from services.autoreply.metrics import ANSWERED, DECIDED, DELAY
from services.autoreply.rules import Heard, heard_in
from services.autoreply.talk_store import TalkStore

SOURCE = "autoreply"
TICK = timedelta(milliseconds=1)  # between answers to one message: their ids sort by it

Document = dict[str, Any]


class Answering:
    """Handles `messages.inbound.v1`, one message of a conversation after the other."""

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
        self.bots: EntryCache[Document | None] = EntryCache(self._bot, clock)

    async def take(self, record: Record) -> None:
        """Answer one message, or not. Raises Poison where it cannot be read, and Outage (wait, try again)."""
        envelope, event = read_event(record, MessageReceived)
        if event.forgotten:
            await self._talks.forget([event.message_id])
            return
        number = await self._directory.number(envelope.tenant, event.phone_number_id)
        if number is None or not number.autoreply or number.bot_id is None:
            return
        bot = await self.bots.get(f"{envelope.tenant}\x1f{number.bot_id}")
        if bot is None:
            return
        decision = await self._talks.decision(event.message_id)
        if decision is None:
            decision = await self._decide(envelope.tenant, event, bot)
        if "commands" in decision:
            await self._ask(decision, event)

    async def _decide(self, tenant: str, event: MessageReceived, bot: Document) -> Document:
        heard = await self._heard(tenant, event, bot)
        case = await self._case(tenant, event, heard)
        found = decide(bot, heard, case)
        DECIDED.labels(found.outcome.value).inc()
        kept = await self._talks.decide(_document(tenant, event, bot, found, case.now))
        if found.handover:
            await self._talks.hand_over(tenant, event.conversation_id, case.now, "rule")
        return kept

    async def _heard(self, tenant: str, event: MessageReceived, bot: Document) -> Heard:
        text, payload = heard_in(event.content, event.type)
        first = False
        if any(rule["match"]["type"] == "first" for rule in bot["rules"]):
            first = await self._messages.first_inbound(tenant, event.conversation_id) == event.message_id
        return Heard(event.type, text, payload, event.at, first, event.profile_name, event.sender or "")

    async def _case(self, tenant: str, event: MessageReceived, heard: Heard) -> Circumstances:
        who = event.sender or event.user_id or ""
        talk, known, hearing = await asyncio.gather(
            self._talks.talk(event.conversation_id), self._contacts.find([(tenant, who)]), self._words.hearing(tenant)
        )
        contact, said = known.get(alias(tenant, who)), hearing.heard(heard.text) if event.type == "text" else None
        now = self._clock.now()
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)  # as MongoDB keeps it: ids of answers come of it
        return Circumstances(
            now, self._stale_after, agent_active="silent_until" in talk and talk["silent_until"] > now,
            handed_over="handed_over_at" in talk,
            opted_out_of_all=contact is not None and contact.opted_out_of_all,
            opts_out=said is not None and said[1],
            answered_at=talk.get("answered_at", ()),
        )  # fmt: skip

    async def _ask(self, decision: Document, event: MessageReceived) -> None:
        """Ask for a decision's answers. Asking once more is harmless: they are the same messages."""
        commands = _commands(decision, event)
        await self._bus.publish_many(commands)
        await self._talks.asked(decision["_id"])
        if commands:
            ANSWERED.labels("rules").inc(len(commands))
            DELAY.observe(max((self._clock.now() - event.at).total_seconds(), 0.0))
            await self._talks.answered(decision["tenant"], event.conversation_id, decision["at"])

    async def _bot(self, place: str) -> Document | None:
        tenant, bot_id = place.split("\x1f")
        return await self._store.get(tenant, bot_id)


def _document(tenant: str, event: MessageReceived, bot: Document, found: Decision, now: datetime) -> Document:
    decision = {
        "_id": event.message_id, "tenant": tenant, "bot_id": bot["_id"], "conversation_id": event.conversation_id,
        "phone_number_id": event.phone_number_id, "at": now, "outcome": found.outcome.value, "rule": found.rule,
        "handover": found.handover,
    }  # fmt: skip
    envelopes = [_envelope(decision, place) for place in range(len(found.answers))]
    decision["answers"] = [message_id_of(envelope) for envelope in envelopes]
    return decision | ({"commands": list(found.answers)} if found.answers else {})


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
