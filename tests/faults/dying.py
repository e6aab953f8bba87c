"""Run a service that kills itself between two writes of a message's way: `python -m tests.faults.dying MOMENT AFTER`.

Its environment is that of the process it stands in for.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any

from libs.events.topics import MESSAGES_STATUS, OUTBOUND_INTERACTIVE
from libs.graph.send import GraphSender, SendOutcome
from libs.kafka.bus import Bus
from libs.kafka.connection import KafkaConnection
from libs.kafka.record import Outgoing
from libs.ledger.claims import Claims
from libs.ledger.intake import Intake, Stored
from libs.ledger.record import OutboundDraft
from libs.runtime.application import Application
from libs.runtime.run import run
from services.campaigns.move_store import RecipientMoves


class Death:
    """Comes at the `after`-th time a moment is reached."""

    def __init__(self, after: int) -> None:
        self._left = after

    def passes(self) -> None:
        """Reach the moment once."""
        self._left -= 1
        if self._left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


class DyingBus(Bus):
    """Dies right before, or right after, writing to a topic."""

    def __init__(self, connection: KafkaConnection, topic: str, death: Death, after_write: bool) -> None:
        super().__init__(connection, "dying")
        self._topic, self._death, self._after_write = topic, death, after_write

    async def publish_many(self, records: Sequence[Outgoing], timeout: float = 30) -> None:
        """Write records, or die."""
        ours = any(record.topic == self._topic for record in records)
        if ours and not self._after_write:
            self._death.passes()
        await super().publish_many(records, timeout)
        if ours and self._after_write:
            self._death.passes()


class DyingGraph(GraphSender):
    """Dies right before, or right after, a POST."""

    def __init__(self, base_url: str, version: str, death: Death, after_post: bool) -> None:
        super().__init__(base_url, version)
        self._death, self._after_post = death, after_post

    async def send(self, phone_number_id: str, token: str, body: bytes, timeout: float) -> SendOutcome:
        """POST, or die."""
        if not self._after_post:
            self._death.passes()
        outcome = await super().send(phone_number_id, token, body, timeout)
        if self._after_post:
            self._death.passes()
        await asyncio.sleep(0)
        return outcome


def _dying_intake(death: Death) -> type[Intake]:
    class DyingIntake(Intake):
        """Dies right after a message was stored, before anybody is told."""

        async def accept(self, draft: OutboundDraft) -> Stored:
            """Store a message, and die."""
            stored = await super().accept(draft)
            death.passes()
            return stored

    return DyingIntake


def _sender(change: Callable[[Any], dict[str, Any]]) -> tuple[Callable[[Any], Application], Any]:
    from services.sender.app import create_app
    from services.sender.settings import Settings

    return lambda settings: create_app(settings, **change(settings)), Settings


def _tracker(change: Callable[[Any], dict[str, Any]]) -> tuple[Callable[[Any], Application], Any]:
    from services.tracker.app import create_app
    from services.tracker.settings import Settings

    return lambda settings: create_app(settings, **change(settings)), Settings


def _edge(change: Callable[[Any], dict[str, Any]]) -> tuple[Callable[[Any], Application], Any]:
    from services.edge.app import create_app
    from services.edge.settings import Settings

    return lambda settings: create_app(settings, **change(settings)), Settings


def _campaigns(owner: type, method: str, death: Death, after_call: bool) -> tuple[Callable[[Any], Application], Any]:
    """A campaigns service that dies right before, or right after, this method of it is called."""
    from services.campaigns.app import create_app
    from services.campaigns.settings import Settings

    alive = getattr(owner, method)

    async def dying(*given: Any, **named: Any) -> Any:
        if not after_call:
            death.passes()
        result = await alive(*given, **named)
        if after_call:
            death.passes()
        return result

    setattr(owner, method, dying)
    return create_app, Settings


def _bus(topic: str, death: Death, after_write: bool = False) -> Callable[[Any], dict[str, Any]]:
    return lambda settings: {"bus": DyingBus(KafkaConnection.of(settings), topic, death, after_write)}


def _graph(death: Death, after_post: bool) -> Callable[[Any], dict[str, Any]]:
    return lambda settings: {"graph": DyingGraph(settings.graph_url, settings.graph_version, death, after_post)}


MOMENTS: dict[str, tuple[str, Callable[[Death], tuple[Callable[[Any], Application], Any]]]] = {
    "between storing and answering": ("edge", lambda death: _edge(lambda _: {"intake": _dying_intake(death)})),
    "between the 202 and the wake-up": ("edge", lambda death: _edge(_bus(OUTBOUND_INTERACTIVE, death))),
    "between claim and POST": ("sender", lambda death: _sender(_graph(death, after_post=False))),
    "between POST and settle": ("sender", lambda death: _sender(_graph(death, after_post=True))),
    "between settle and event": ("sender", lambda death: _sender(_bus(MESSAGES_STATUS, death))),
    "between event and commit of the sender": (
        "sender", lambda death: _sender(_bus(MESSAGES_STATUS, death, after_write=True)),
    ),
    "between ledger move and event": ("tracker", lambda death: _tracker(_bus(MESSAGES_STATUS, death))),
    "between event and commit of the tracker": (
        "tracker", lambda death: _tracker(_bus(MESSAGES_STATUS, death, after_write=True)),
    ),
    "between cursor and messages": ("campaigns", lambda death: _campaigns(Intake, "accept_all", death, False)),
    "between messages and wake-ups": ("campaigns", lambda death: _campaigns(Intake, "accept_all", death, True)),
    "between taking back and its recipients": (
        "campaigns", lambda death: _campaigns(Claims, "take_back", death, True),
    ),
    "between recipients moved and the next": (
        "campaigns", lambda death: _campaigns(RecipientMoves, "move", death, True),
    ),
}  # fmt: skip


def moments_of(service: str) -> list[str]:
    """Return the names of a service's moments."""
    return [moment for moment, (its, _) in MOMENTS.items() if its == service]


if __name__ == "__main__":
    create_app, settings_type = MOMENTS[sys.argv[1]][1](Death(int(sys.argv[2])))
    run(create_app, settings_type)
