"""Showing people that an answer is being written: a courtesy, which holds up nothing and fails in silence."""

import asyncio
from datetime import timedelta

import structlog

from libs.events.envelope import Envelope
from libs.events.messages import ShowTyping
from libs.runtime.clock import Clock
from libs.runtime.errors import Outage
from libs.web.errors import ApiError
from services.edge.commands import INTERNAL_MODE
from services.edge.metrics import TYPING
from services.edge.receipts import Receipts

SHOWN_FOR = timedelta(seconds=25)  # Meta's most: what is asked for later than that is of the past
AT_ONCE = 50  # calls to Meta: more people than that do without

log = structlog.get_logger()


class TypingNotices:
    """A part: calls Meta beside the handling of commands, so that no message waits for it."""

    def __init__(self, receipts: Receipts, clock: Clock) -> None:
        self._receipts = receipts
        self._clock = clock
        self._calls: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Nothing is to be opened."""

    async def stop(self) -> None:
        """Give up what is under way."""
        for call in self._calls:
            call.cancel()

    def show(self, envelope: Envelope, command: ShowTyping) -> None:
        """Show it soon, or not at all."""
        if self._clock.now() - envelope.time > SHOWN_FOR or len(self._calls) >= AT_ONCE or not envelope.tenant:
            TYPING.labels("passed_by").inc()
            return
        call = asyncio.create_task(self._show(envelope.tenant, command.message_id))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)

    async def _show(self, tenant: str, message_id: str) -> None:
        try:
            await self._receipts.mark_read(tenant, INTERNAL_MODE, message_id, typing=True)
        except (ApiError, Outage):
            TYPING.labels("failed").inc()
        except Exception:
            log.exception("typing_not_shown")
            TYPING.labels("failed").inc()
        else:
            TYPING.labels("shown").inc()
