"""Carrying decisions out: answers are asked for, conversations handed over. Doing it once more is harmless."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from libs.events.conversations import DecidedBy
from libs.kafka.bus import Bus
from libs.runtime.clock import Clock
from libs.runtime.errors import Outage
from services.autoreply.decisions import commands_of, typing_of
from services.autoreply.handover import changed
from services.autoreply.metrics import ANSWERED, DELAY
from services.autoreply.talk_store import TalkStore

DECIDED_BY: Final[Mapping[str, DecidedBy]] = {"rules": "rule", "model": "model", "webhook": "webhook"}

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ToDo:
    """An open decision, who it is answered to, by which kind of bot, and when the person wrote."""

    decision: Document
    to: str
    kind: str
    wrote_at: datetime
    turns: bool = False  # whether the bot has dialogues


class CarryingOut:
    """Asks for answers, and closes the decisions."""

    def __init__(self, talks: TalkStore, bus: Bus, clock: Clock) -> None:
        self._talks = talks
        self._bus = bus
        self._clock = clock

    async def show_typing(self, decision: Document, to: str) -> None:
        """Show a person that an answer is being written, if that can be."""
        try:
            await self._bus.publish_many([typing_of(decision, to, self._clock.now())])
        except Outage:
            return

    async def out(self, things: Sequence[ToDo]) -> None:
        """Carry out decisions of different conversations. Raises MongoUnavailable and BusUnavailable."""
        if not things:
            return
        over = [(it.decision, DECIDED_BY[it.kind]) for it in things if it.decision["handover"]]
        for decision, by in over:
            await self._talks.hand_over(decision["tenant"], decision["conversation_id"], decision["at"], by)
        await self._talks.turn([it.decision for it in things if it.turns])
        told = [changed(decision["tenant"], decision, "agent", by, decision["at"]) for decision, by in over]
        commands = [(it.kind, command) for it in things for command in commands_of(it.decision, it.to)]
        await self._bus.publish_many([*(command for _, command in commands), *told])
        for kind, _ in commands:
            ANSWERED.labels(kind).inc()
        now = self._clock.now()
        for it in things:
            DELAY.labels(it.kind).observe(max((now - it.wrote_at).total_seconds(), 0.0))
        done = [it.decision for it in things]
        answered = [decision for decision in done if decision["answers"]]
        await asyncio.gather(self._talks.close(done), self._talks.answered(answered))
