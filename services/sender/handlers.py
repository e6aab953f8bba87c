"""Kafka in: wake-ups."""

from collections.abc import Hashable

from libs.events.messages import Lane, MessageDue
from libs.events.model import UnreadableEvent
from libs.events.topics import OUTBOUND_BULK
from libs.kafka.errors import Poison
from libs.kafka.events import read_event
from libs.kafka.record import Partition, Record
from services.sender.service import Sender


class WakeUpHandlers:
    """Reads wake-ups of both lanes."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    async def wake(self, record: Record) -> None:
        """Work through the conversation that the wake-up names; raises Poison where it names none."""
        envelope, due = read_event(record, MessageDue)
        await self._sender.work(envelope.tenant, due.conversation_id, _lane(record))

    async def let_go(self, _: frozenset[Partition]) -> None:
        """Partitions are leaving: those who only wait for a slot let go, unclaimed."""
        self._sender.let_go()

    async def bury(self, record: Record) -> None:
        """The wake-up went to the dead letters: end the message it was about, or it would come back for ever."""
        try:
            envelope, due = read_event(record, MessageDue)
        except Poison:
            return
        await self._sender.fail(envelope.tenant, due.conversation_id, _lane(record))


def lane_of(record: Record) -> Hashable:
    """Return the lane of a wake-up: its conversation, within its topic. Unreadable ones share one."""
    try:
        return (record.topic, MessageDue.read(record.value).conversation_id)
    except UnreadableEvent:
        return (record.topic, None)


def _lane(record: Record) -> Lane:
    return Lane.BULK if record.topic == OUTBOUND_BULK else Lane.INTERACTIVE
