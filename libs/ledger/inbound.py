"""What people wrote to us: stored once each, whatever its type, with the window it opens."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo.errors import BulkWriteError

from libs.ledger.record import MESSAGES
from libs.mongo.client import Mongo, duplicates, outages
from libs.runtime.ids import derived_time_id

MEDIA_TYPES = ("image", "video", "audio", "document", "sticker")


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One message of a user's, as Meta reported it. `content` is Meta's object for its type, untouched."""

    tenant: str
    waba_id: str
    phone_number_id: str
    contact_id: str
    conversation_id: str
    wamid: str
    sender: str
    user_id: str | None
    profile_name: str | None
    type: str
    at: datetime
    received_at: datetime
    content: Any
    context_wamid: str | None
    referral: dict[str, Any] | None
    group_id: str | None = None

    @property
    def message_id(self) -> str:
        """Our id: derived from the number and Meta's id, so that a redelivery is the same message."""
        return derived_time_id(self.at, "inbound", self.phone_number_id, self.wamid)

    @property
    def media_id(self) -> str | None:
        """Meta's id of the file that came with it: whoever has the message may read the file."""
        found = self.content.get("id") if self.type in MEDIA_TYPES and isinstance(self.content, dict) else None
        return found if isinstance(found, str) and found.isascii() and found.isdigit() else None

    def document(self) -> dict[str, Any]:
        """Return the record to insert."""
        document = {
            "_id": self.message_id,
            "tenant": self.tenant,
            "direction": "inbound",
            "waba_id": self.waba_id,
            "phone_number_id": self.phone_number_id,
            "conversation_id": self.conversation_id,
            "contact_id": self.contact_id,
            "sender": self.sender,
            "user_id": self.user_id,
            "profile_name": self.profile_name,
            "type": self.type,
            "content": json.dumps(self.content, ensure_ascii=False, separators=(",", ":")),
            "media_id": self.media_id,
            "context_wamid": self.context_wamid,
            "group_id": self.group_id,
            "referral": json.dumps(self.referral, ensure_ascii=False) if self.referral else None,
            "wamids": [self.wamid],
            "at": self.at,
            "created_at": self.received_at,
        }
        return {name: value for name, value in document.items() if value is not None}


class InboundStore:
    """Stores inbound messages."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def insert(self, messages: Sequence[InboundMessage]) -> None:
        """Insert messages; those that are there already are left as they are."""
        documents = list({message.message_id: message.document() for message in messages}.values())
        if not documents:
            return
        try:
            with outages():
                await self._mongo.collection(MESSAGES).insert_many(documents, ordered=False)
        except BulkWriteError as error:
            duplicates(error)
