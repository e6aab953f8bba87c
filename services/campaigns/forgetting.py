"""A person was forgotten: who they are leaves the campaigns, what became of them as a recipient stays."""

from collections.abc import Sequence
from typing import Any

from libs.events.contacts import ContactForgotten
from libs.kafka.events import read_event
from libs.kafka.record import Record
from libs.runtime.errors import Outage
from services.campaigns.move_store import Move, RecipientMoves
from services.campaigns.recipient_store import RecipientStore, row_id
from services.campaigns.states import RecipientState, state_of
from services.campaigns.store import CampaignStore

STEP = 200  # campaigns that are looked at together
REASON = {"type": "invalid_request_error", "code": "contact_forgotten", "message": "The person's data was deleted."}

Document = dict[str, Any]


class OnTheirWay(Outage):
    """Messages to the person are queued: their rows are erased once these are sent or taken back."""


class Forgotten:
    """Handles `contacts.forgotten.v1`. A repeat changes nothing."""

    def __init__(self, campaigns: CampaignStore, recipients: RecipientStore, moves: RecipientMoves) -> None:
        self._campaigns = campaigns
        self._recipients = recipients
        self._moves = moves

    async def take(self, record: Record) -> None:
        """Erase the person's rows in every campaign of the tenant. Raises OnTheirWay while some are queued."""
        envelope, event = read_event(record, ContactForgotten)
        waiting = False
        async for campaigns in self._campaigns.all_of(envelope.tenant, STEP):
            waiting = await self._forget(campaigns, event.names) or waiting
        if waiting:
            raise OnTheirWay("messages to a forgotten person are queued")

    async def _forget(self, campaigns: Sequence[Document], names: Sequence[str]) -> bool:
        """Erase a person's rows in these campaigns; -> whether some have to wait."""
        of = {row_id(campaign["_id"], name): campaign for campaign in campaigns for name in names}
        rows = await self._recipients.rows(list(of))
        for row in rows:
            campaign = of[row["_id"]]
            if state_of(row, campaign) is RecipientState.PENDING:
                skip = Move(row["_id"], row["round"], RecipientState.PENDING, RecipientState.SKIPPED, {"error": REASON})
                await self._moves.move(campaign, [skip])
        await self._recipients.erase([row["_id"] for row in rows])
        left = await self._recipients.rows([row["_id"] for row in rows])
        return any("to" in row for row in left)
