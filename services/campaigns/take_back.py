"""Taking back what is queued: to be queued anew when the campaign goes on, or for good where it was canceled."""

from typing import Any

from libs.ledger.claims import Claims
from libs.ledger.reader import MessageReader
from libs.runtime.clock import Clock
from services.campaigns.hours import asleep
from services.campaigns.metrics import TAKEN_BACK
from services.campaigns.move_store import Move, RecipientMoves, once_more
from services.campaigns.protection import goes_on_by_itself
from services.campaigns.recipient_store import FIRST, RecipientStore
from services.campaigns.states import CampaignStatus, RecipientState, message_id_in_round
from services.campaigns.store import CampaignStore

BATCH = 500  # messages of one round trip

Document = dict[str, Any]


class TakeBack:
    """Works on campaigns that carry `taking_back`."""

    def __init__(
        self, campaigns: CampaignStore, recipients: RecipientStore, moves: RecipientMoves, claims: Claims,
        messages: MessageReader, clock: Clock,
    ) -> None:  # fmt: skip
        self._campaigns = campaigns
        self._recipients = recipients
        self._moves = moves
        self._claims = claims
        self._messages = messages
        self._clock = clock

    async def work(self, campaign: Document) -> bool:
        """Take back what is queued now; -> whether there may be more to do at once. Raises CampaignMoved.

        A message that is on its way may come back to the queue, so it is not over before nothing is queued. Where the
        campaign goes on already, once more is enough: what an earlier try left half done is found by it.
        """
        status = CampaignStatus(campaign["status"])
        canceled, running = status is CampaignStatus.CANCELED, status is CampaignStatus.RUNNING
        for state in (RecipientState.QUEUED, RecipientState.UNKNOWN):  # the latter may have been queued again
            after = FIRST
            while rows := await self._recipients.in_state(campaign, state, BATCH, after):
                after = (rows[-1]["round"], rows[-1]["_id"])
                await self._batch(campaign, rows, state, status)
        if canceled and await self._give_up(campaign):
            return True
        if running or not await self._recipients.in_state(campaign, RecipientState.QUEUED, 1):
            goes_on = running or goes_on_by_itself(campaign)
            done: Document = {"$unset": {"taking_back": ""} | ({} if goes_on else {"work": ""})}
            if not canceled:
                done["$min"] = {"next_round_at": self._clock.now()}
            await self._campaigns.move(campaign["tenant"], campaign["_id"], (status,), done)
        return running

    async def put_off(self, campaign: Document) -> None:
        """Take back who is queued in a running campaign and whose quiet hours have begun meanwhile."""
        now, after = self._clock.now(), FIRST
        while rows := await self._recipients.in_state(campaign, RecipientState.QUEUED, BATCH, after):
            after = (rows[-1]["round"], rows[-1]["_id"])
            sleepers = asleep(campaign["quiet_hours"], rows, now)
            if sleepers:
                changes: Document = {"$min": {"next_round_at": min(sleepers.values())}}
                await self._campaigns.move(campaign["tenant"], campaign["_id"], (CampaignStatus.RUNNING,), changes)
                mine = [row for row in rows if row["_id"] in sleepers]
                await self._batch(campaign, mine, RecipientState.QUEUED, CampaignStatus.RUNNING)

    async def _batch(
        self, campaign: Document, rows: list[Document], state: RecipientState, status: CampaignStatus
    ) -> None:  # fmt: skip
        ids = {row["_id"]: message_id_in_round(row, campaign) for row in rows}
        back = await self._claims.take_back(campaign["tenant"], list(ids.values()), self._clock.now())
        there = await self._messages.existing(campaign["tenant"], list(ids.values()))
        mine = [row for row in rows if ids[row["_id"]] in back or ids[row["_id"]] not in there]
        if status is CampaignStatus.CANCELED:
            moves = [Move(it["_id"], it["round"], state, RecipientState.CANCELED) for it in mine]
        else:
            moves = [once_more(row, state, campaign) for row in mine]
        TAKEN_BACK.inc(await self._moves.move(campaign, moves, (status,)))

    async def _give_up(self, campaign: Document) -> bool:
        """Cancel recipients who were not written to; -> whether there may be more."""
        rows = await self._recipients.in_state(campaign, RecipientState.PENDING, BATCH)
        moves = [Move(it["_id"], it["round"], RecipientState.PENDING, RecipientState.CANCELED) for it in rows]
        await self._moves.move(campaign, moves)
        return bool(rows)
