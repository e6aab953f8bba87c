"""The message that a reply quotes or a reaction is about: one of the same conversation, known to Meta."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from libs.directory.directory import Directory
from libs.ledger.contacts import alias
from libs.ledger.reader import MessageReader
from libs.requests.bodies import MessageBody
from services.edge.errors import TargetNotUsable

QUOTED_FOR = timedelta(days=30)  # Meta's: an older message can be neither quoted nor reacted to
# What a record calls its person: where two contacts turned out to be one, the old conversation's id is another.
NAMES = ("recipient", "sender", "user_id")


@dataclass(frozen=True, slots=True)
class Target:
    """Meta's id of the message, and the conversation that ours has to belong to (None: it is sure that it does)."""

    wamid: str
    conversation_id: str | None


class Targets:
    """Finds targets by our ids."""

    def __init__(self, reader: MessageReader, directory: Directory) -> None:
        self._reader = reader
        self._directory = directory

    async def find(
        self, tenant: str, mode: str, body: MessageBody, field: str, message_id: str, now: datetime
    ) -> Target:
        """Return the target that a body names in a field.

        Raises TargetNotUsable, naming the field, where it is not there or Meta would refuse it.
        """
        row = await self._reader.get(tenant, message_id)
        if row is None or not (await self._directory.reach(tenant, mode)).has_number(row["phone_number_id"]):
            raise TargetNotUsable(f"{field}: There is no such message.", param=field)
        if row.get("forgotten"):
            words = f"{field}: The data of the message's person was deleted."
            raise TargetNotUsable(words, code="contact_forgotten", param=field)
        wamids = row.get("wamids")
        if not wamids:
            words = f"{field}: The message has no id of Meta's yet: it has not been sent."
            raise TargetNotUsable(words, code="target_not_sent", param=field)
        if row["created_at"] < now - QUOTED_FOR:
            raise TargetNotUsable(f"{field}: The message is older than 30 days.", code="target_too_old", param=field)
        if row["type"] == "reaction":
            words = f"{field}: The message is a reaction itself."
            raise TargetNotUsable(words, code="target_is_a_reaction", param=field)
        names = {alias(tenant, name) for part in NAMES if (name := row.get(part))}
        sure = row["phone_number_id"] == body.phone_number_id and alias(tenant, body.to) in names
        return Target(wamids[-1], None if sure else row["conversation_id"])
