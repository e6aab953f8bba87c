"""Carrying decisions out: answers are asked for, conversations handed over. Doing it once more is harmless."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from libs.events.conversations import DecidedBy
from libs.kafka.bus import Bus
from libs.runtime.clock import Clock
from libs.runtime.errors import Outage
from libs.runtime.gather import Gather
from services.autoreply.decisions import commands_of, typing_of
from services.autoreply.handover import changed
from services.autoreply.metrics import ANSWERED, DELAY
from services.autoreply.talk_store import TalkStore

CLOSE_LINGER = 0.25  # seconds: nobody waits for it, and where it is lost the same answers are asked for once more
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
    """A part: asks for answers, and closes the decisions a moment later, many at once."""

    def __init__(self, talks: TalkStore, bus: Bus, clock: Clock) -> None:
        self._talks = talks
        self._bus = bus
        self._clock = clock
        self._closing: Gather[str, None] = Gather(self._close, linger=CLOSE_LINGER, parallel=1)

    async def start(self) -> None:
        """Groups form as answers are asked for."""

    async def stop(self) -> None:
        """Close what waits."""
        await self._closing.drain()

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
        await self._talks.answered([it.decision for it in things if it.decision["answers"]])
        for it in things:
            self._closing.put(it.decision["_id"])

    async def _close(self, message_ids: Sequence[str]) -> Sequence[None]:
        await self._talks.close(message_ids)
        return [None] * len(message_ids)
