"""Taking back a message that has not been sent: the record first, then the event, then `due` goes."""

from collections.abc import Sequence
from typing import Any

from libs.directory.directory import Directory
from libs.events.messages import MessageStatus
from libs.kafka.bus import Bus, BusUnavailable
from libs.kafka.events import outgoing
from libs.ledger.claims import Claims
from libs.ledger.reader import MessageReader
from libs.ledger.record import told
from libs.ledger.states import status_of
from libs.runtime.clock import Clock
from libs.runtime.gather import Gather
from services.edge.errors import NotCancelable, message_not_found
from services.edge.wakeups import WakeUps

LINGER = 0.02  # seconds a cancellation's event waits for others
TELL_FOR = 5.0  # seconds: after that the sweeper tells it

Document = dict[str, Any]


class Cancellations:
    """A part: cancels queued messages, and tells of it."""

    def __init__(
        self, reader: MessageReader, claims: Claims, directory: Directory, wakeups: WakeUps, bus: Bus, clock: Clock
    ) -> None:
        self._reader = reader
        self._directory = directory
        self._claims = claims
        self._wakeups = wakeups
        self._bus = bus
        self._clock = clock
        self._telling: Gather[Document, None] = Gather(self._tell, linger=LINGER, parallel=1)

    async def start(self) -> None:
        """Groups form as cancellations come."""

    async def stop(self) -> None:
        """Tell what waits."""
        await self._telling.drain()

    async def cancel(self, tenant: str, message_id: str, mode: str) -> Document:
        """Cancel a message and return its record, also where it was canceled before.

        Raises NotFound, also for what a key of this mode does not reach, and NotCancelable naming the state where it
        may be on its way or has come to another end.
        """
        row = await self._row(tenant, message_id)
        if not (await self._directory.reach(tenant, mode)).has_number(row["phone_number_id"]):
            raise message_not_found()
        if row["direction"] == "outbound" and await self._claims.end(row, MessageStatus.CANCELED, self._clock.now()):
            waiting = row.get("open", False)
            row = await self._row(tenant, message_id)
            self._telling.put(row)
            if waiting:
                self._wakeups.add(row)  # it may have held back the messages behind it
            return row
        row = await self._row(tenant, message_id)
        if row["direction"] == "outbound" and (status := status_of(row)) is MessageStatus.CANCELED:
            return row
        named = "received" if row["direction"] == "inbound" else status.value
        words = f"The message is {named}; only a queued one can be canceled."
        raise NotCancelable(words, param="message_id", more={"status": named})

    async def _row(self, tenant: str, message_id: str) -> Document:
        row = await self._reader.get(tenant, message_id)
        if row is None:
            raise message_not_found()
        return row

    async def _tell(self, rows: Sequence[Document]) -> Sequence[None]:
        """Publish the events, then note that they are out; what fails here the sweeper makes good."""
        now, status = self._clock.now(), MessageStatus.CANCELED
        events = [outgoing(told(row, status, row["times"][status.value], source="edge", now=now)) for row in rows]
        try:
            await self._bus.publish_many(events, timeout=TELL_FOR)
        except BusUnavailable:
            return [None] * len(rows)
        await self._claims.told([(row["tenant"], row["_id"]) for row in rows])
        return [None] * len(rows)
