"""Leaving messages to who thinks about them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from libs.events.messages import MessageReceived
from libs.runtime.clock import Clock
from services.autoreply.decisions import recipient_of
from services.autoreply.turn_store import TurnStore

Document = dict[str, Any]


class Turns:
    """Puts messages into turns, and tells whoever thinks in this process when they will be due."""

    def __init__(self, store: TurnStore, clock: Clock, due_in: Callable[[timedelta], None]) -> None:
        self._store = store
        self._clock = clock
        self._due_in = due_in

    async def add(self, bot: Mapping[str, Any], event: MessageReceived, decision: Mapping[str, Any]) -> None:
        """Add a message to its conversation's turn. Raises MongoUnavailable; adding it again changes nothing."""
        wait = timedelta(seconds=bot["wait_for_more"])
        turn: Document = {
            "_id": event.conversation_id, "tenant": decision["tenant"], "bot_id": bot["_id"], "kind": bot["kind"],
            "phone_number_id": event.phone_number_id, "contact_id": event.contact_id, "to": recipient_of(event),
            "profile_name": event.profile_name,
        }  # fmt: skip
        await self._store.add(turn, event.message_id, self._clock.now(), wait)
        self._due_in(wait)

    async def forget(self, conversation_ids: Sequence[str]) -> None:
        """Drop the turns of people who are forgotten."""
        if conversation_ids:
            await self._store.forget(conversation_ids)
