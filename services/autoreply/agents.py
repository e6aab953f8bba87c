"""What becomes of messages, as far as bots have to know: a free-form message that no bot asked for silences the bot of
its conversation, and one that a bot asked for may be refused.
"""

from collections.abc import Sequence
from datetime import timedelta

from libs.directory.directory import Directory
from libs.events.envelope import Envelope
from libs.events.messages import MessageRejected, MessageStatusChanged
from libs.events.topics import MESSAGES_REJECTED
from libs.kafka.batches import Rejected
from libs.kafka.errors import Poison
from libs.kafka.events import read_event
from libs.kafka.record import Record
from libs.kafka.replays import is_for
from services.autoreply.handover import SOURCE
from services.autoreply.talk_store import TalkStore

# In the value of the events that matter: a reply that Meta took. Of all others not even the body is read.
ACCEPTED, REPLY, TEMPLATE = b'"status":"accepted"', b'"lane":"interactive"', b'"type":"template"'


class AgentWatch:
    """Handles batches of `messages.status.v1` and `messages.rejected.v1`. A repeat changes nothing."""

    def __init__(self, directory: Directory, talks: TalkStore, silent_for: timedelta) -> None:
        self._directory = directory
        self._talks = talks
        self._silent_for = silent_for

    async def take(self, records: Sequence[Record]) -> Sequence[Rejected]:
        """Note who was answered by a person, and which answers were refused; -> the records that cannot be read."""
        rejected: list[Rejected] = []
        replies: list[tuple[Envelope, MessageStatusChanged]] = []
        for record in records:
            if not is_for(record, SOURCE):
                continue
            value = record.value or b""
            if record.topic == MESSAGES_REJECTED:
                rejected += await self._refused(record)
                continue
            if ACCEPTED not in value or REPLY not in value or TEMPLATE in value:
                continue
            try:
                envelope, event = read_event(record, MessageStatusChanged)
            except Poison as poison:
                rejected.append(Rejected(record, poison.reason, poison.error))
                continue
            number = await self._directory.number(envelope.tenant, event.phone_number_id)
            if number is not None and number.answering_bot is not None:
                replies.append((envelope, event))
        if replies:
            await self._silence(replies)
        return rejected

    async def _refused(self, record: Record) -> list[Rejected]:
        try:
            envelope, event = read_event(record, MessageRejected)
        except Poison as poison:
            return [Rejected(record, poison.reason, poison.error)]
        await self._talks.refused(envelope.correlationid, event.message_id, event.error.code, event.error.param)
        return []

    async def _silence(self, replies: Sequence[tuple[Envelope, MessageStatusChanged]]) -> None:
        # A bot's answer is correlated with the message that it answers.
        answers = await self._talks.answers_to([envelope.correlationid for envelope, _ in replies])
        by_people = [(envelope, event) for envelope, event in replies if event.message_id not in answers]
        until = {event.conversation_id: event.at + self._silent_for for _, event in by_people}
        await self._talks.silence(until, {event.conversation_id: envelope.tenant for envelope, event in by_people})
