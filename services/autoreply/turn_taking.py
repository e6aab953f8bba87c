"""One turn: what a person wrote, thought about once, and answered once whoever dies in between.

What comes of it is kept before it is carried out. Of two who think about one turn the first decides, and the other
carries out what was decided. So an endpoint may be asked twice, and a person is answered once.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from libs.directory.directory import Directory
from libs.ledger.consent import OPTED_OUT, By, Consent, ConsentLog, Word
from libs.ledger.consent import Spoken as ConsentSpoken
from libs.ledger.contacts import ContactReader, alias
from libs.ledger.reader import MessageFilter, MessageReader
from libs.runtime.clock import Clock
from services.autoreply.bot_store import BotStore
from services.autoreply.carrying_out import CarryingOut, ToDo
from services.autoreply.deciding import Circumstances, Outcome, silence
from services.autoreply.decisions import to_do
from services.autoreply.metrics import DECIDED
from services.autoreply.talk_store import TalkStore
from services.autoreply.thinkers import Considered, Thinkers
from services.autoreply.thoughts import Line, Lines, line_of

AN_HOUR = timedelta(hours=1)

Document = dict[str, Any]


class TurnTaking:
    """Takes turns."""

    def __init__(
        self, directory: Directory, bots: BotStore, talks: TalkStore, contacts: ContactReader, messages: MessageReader,
        consent: ConsentLog, thinkers: Thinkers, carrying_out: CarryingOut, clock: Clock, stale_after: timedelta,
    ) -> None:  # fmt: skip
        self._directory = directory
        self._bots = bots
        self._talks = talks
        self._contacts = contacts
        self._messages = messages
        self._consent = consent
        self._thinkers = thinkers
        self._carrying_out = carrying_out
        self._clock = clock
        self._stale_after = stale_after

    async def take(self, turn: Document) -> list[Document]:
        """Answer what waits; -> what was said, for a turn that comes before the ledger has it.

        Raises MongoUnavailable and BusUnavailable; taking it again is harmless.
        """
        known = await self._talks.known(turn["messages"])
        ours = [known[message_id] for message_id in turn["messages"] if message_id in known]
        waiting = [it for it in ours if it.get("open") and it["outcome"] == Outcome.WAITING]
        if waiting:
            await self._decide(turn, waiting)
            ours = list((await self._talks.known(turn["messages"])).values())
        left = [it for it in ours if it.get("open") and it["outcome"] != Outcome.WAITING]
        for decision in left:
            await self._opt_out(decision)
            await self._carrying_out.out([ToDo(decision, turn["to"], turn["kind"], turn["first_at"])])
        return [
            {"_id": message_id, "type": answer.get("type", "text"), "text": answer.get("text")}
            for decision in left
            for message_id, answer in zip(decision["answers"], decision["commands"], strict=True)
        ]

    async def _decide(self, turn: Document, waiting: Sequence[Document]) -> None:
        bot, last = await self._bot(turn), waiting[-1]
        if bot is None:
            return await self._conclude(waiting, {"outcome": Outcome.SWITCHED_OFF})
        lines = await self._lines(turn, bot, waiting)
        if not lines.fresh:  # the person was forgotten
            return await self._conclude(waiting, {"outcome": Outcome.STALE})
        if (why := await self._silence(turn, bot, lines)) is not None:
            return await self._conclude(waiting, {"outcome": why})
        if bot["typing_indicator"]:
            await self._carrying_out.show_typing(last, turn["to"])
        found = await self._thinkers.consider(bot, turn, lines)
        # While it was thought about, a person may have taken over, or the other one may have had enough.
        why = await self._silence(turn, bot, lines, stale=False)
        fields = {"outcome": why} if why is not None else _meant(bot, last, found)
        return await self._conclude(waiting, fields | {"thought": found.shown(bot)})

    async def _bot(self, turn: Document) -> Document | None:
        """Return the bot, None where it does not answer at this number any more."""
        number = await self._directory.number(turn["tenant"], turn["phone_number_id"])
        if number is None or number.answering_bot != turn["bot_id"]:
            return None
        bot = await self._bots.get(turn["tenant"], turn["bot_id"])
        return bot if bot is not None and bot["kind"] != "rules" else None

    async def _lines(self, turn: Document, bot: Document, waiting: Sequence[Document]) -> Lines:
        ids = [decision["_id"] for decision in waiting]
        rows = {row["_id"]: row for row in await self._messages.of_ids(turn["tenant"], ids)}
        fresh = [_line(rows[message_id]) for message_id in ids if message_id in rows and "content" in rows[message_id]]
        if not fresh or not bot["history"]:
            return Lines(fresh)
        wanted = MessageFilter([], conversations=[turn["_id"]])
        earlier = await self._messages.page(turn["tenant"], wanted, bot["history"] + len(ids), None)
        began = min(row["created_at"] for row in rows.values())  # what the person wrote since is for the next turn
        before = [
            row for row in earlier
            if row["_id"] not in rows and "content" in row
            and (row["direction"] == "outbound" or row["created_at"] < began)
        ][: bot["history"]]  # fmt: skip
        there = {row["_id"] for row in earlier}
        ours = [_unread(said, turn["first_at"]) for said in turn.get("said", ()) if said["_id"] not in there]
        return Lines(fresh, [*(_line(row) for row in before[::-1]), *ours][-bot["history"] :])

    async def _silence(
        self, turn: Document, bot: Document, lines: Lines, *, stale: bool = True
    ) -> Outcome | None:  # fmt: skip
        now, name = self._clock.now(), turn["to"].removeprefix("+")
        talks, people = await asyncio.gather(
            self._talks.talks([turn["_id"]]), self._contacts.find([(turn["tenant"], name)])
        )
        talk, contact = talks.get(turn["_id"], {}), people.get(alias(turn["tenant"], name))
        answered_at: Sequence[datetime] = talk.get("answered_at", ())
        if bot["answers_per_hour"] is not None:
            within = sum(1 for at in answered_at if now - at < AN_HOUR)
            if within >= bot["answers_per_hour"]:
                return Outcome.RATE_LIMITED
        last = lines.fresh[-1]
        case = Circumstances.of(now, self._stale_after, talk, contact)
        return silence(last.type, last.at, case if stale else replace(case, now=last.at))

    async def _conclude(self, waiting: Sequence[Document], fields: Mapping[str, Any]) -> None:
        """Say what became of the messages: of the last one what was decided, of the others that they joined it."""
        *others, last = waiting
        # The others first: whoever comes after a death in between finds the last one waiting, with what there is to do.
        for decision in others:
            joined = {"outcome": Outcome.JOINED.value, "answered_with": last["_id"]}
            await self._talks.conclude(decision["_id"], joined, is_open=False)
        outcome = Outcome(fields["outcome"])
        DECIDED.labels(outcome.value).inc()
        is_open = bool(fields.get("open"))
        await self._talks.conclude(last["_id"], dict(fields) | {"outcome": outcome.value}, is_open=is_open)

    async def _opt_out(self, decision: Document) -> None:
        """Record what a person made clear to a model."""
        if decision.get("opts_out"):
            at = decision["at"]
            word = Word(Consent.MARKETING, OPTED_OUT, at, By.PERSON, "bot", decision["_id"], at)
            await self._consent.record([ConsentSpoken(decision["tenant"], decision["contact_id"], word)])


def _meant(bot: Mapping[str, Any], decision: Document, found: Considered) -> Document:
    """Return what a thought comes to, or that there is none."""
    if (thought := found.thought) is None:
        words = bot["fallback"]
        answers = [{"type": "text", "text": words}] if words else []
        outcome = Outcome.FALLBACK if words else Outcome.FAILED
        return {"outcome": outcome} | (to_do(decision, answers) if answers else {})
    answers = list(thought.answers)
    if thought.opt_out and not answers and bot["opt_out_answer"]:
        answers = [{"type": "text", "text": bot["opt_out_answer"]}]
    if not (answers or thought.handover or thought.opt_out):
        return {"outcome": Outcome.SILENT}
    done = to_do(decision, answers) | {"handover": thought.handover, "opts_out": thought.opt_out}
    return {"outcome": Outcome.ANSWERED} | done


def _unread(said: Mapping[str, Any], at: datetime) -> Line:
    """Return an answer of the turn before that the ledger does not have yet."""
    words = said["text"] if isinstance(said["text"], str) else ""
    return line_of(said["_id"], False, said["type"], {"body": words}, at)


def _line(row: Mapping[str, Any]) -> Line:
    by_person, content = row["direction"] == "inbound", json.loads(row.get("content") or "null")
    if not by_person:
        content = content.get(row["type"]) if isinstance(content, dict) else None
    at: datetime = row["at"] if by_person else row["created_at"]
    return line_of(row["_id"], by_person, row["type"], content, at)
