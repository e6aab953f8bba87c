"""Read receipts: telling Meta, and through it the person, that a message of theirs was read."""

from datetime import timedelta

from libs.directory.directory import Directory
from libs.graph.client import GraphClient
from libs.graph.errors import GraphFailure
from libs.graph.refusals import answer_for
from libs.ledger.reader import MessageReader
from libs.runtime.clock import Clock
from services.edge.errors import NoSuchNumber, NotInbound, NumberCannotSend, message_not_found
from services.edge.numbers import sendable

READABLE_FOR = timedelta(days=30)  # Meta's: an older message cannot be marked


class Receipts:
    """Marks inbound messages as read, with one call to Meta each: repeating it changes nothing."""

    def __init__(self, reader: MessageReader, directory: Directory, graph: GraphClient, clock: Clock) -> None:
        self._reader = reader
        self._directory = directory
        self._graph = graph
        self._clock = clock

    async def mark_read(self, tenant: str, mode: str, message_id: str, typing: bool) -> None:
        """Mark a message, and all before it in its conversation.

        Raises NotFound, NotInbound, NumberCannotSend (with the reason), and what becomes of Meta's refusals.
        """
        row = await self._reader.get(tenant, message_id)
        if row is None or not (await self._directory.reach(tenant, mode)).has_number(row["phone_number_id"]):
            raise message_not_found()
        if row["direction"] != "inbound":
            raise NotInbound("Only a message that a person wrote can be marked as read.", param="message_id")
        if row.get("forgotten"):
            raise NotInbound("The person's data was deleted.", code="contact_forgotten", param="message_id")
        if row["created_at"] < self._clock.now() - READABLE_FOR:
            raise NotInbound("The message is older than 30 days.", code="message_too_old", param="message_id")
        number = row["phone_number_id"]
        try:
            _, account = await sendable(self._directory, tenant, mode, number)
        except NoSuchNumber:
            words = f"The number {number} that the message came to is not connected any more."
            raise NumberCannotSend(words, param="phone_number_id", more={"reason": "not_connected"}) from None
        try:
            token = account.access_token.get_secret_value()
            await self._graph.mark_read(number, token, row["wamids"][0], typing)
        except GraphFailure as failure:
            raise answer_for(failure, "mark the message as read") from None
