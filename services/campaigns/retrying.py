"""Retrying: those who failed are written to in a new round. Only who holds the campaign meanwhile moves any of them."""

from datetime import datetime, timedelta
from typing import Any

from libs.runtime.clock import Clock
from libs.runtime.ids import new_id
from services.campaigns.announcer import ALWAYS
from services.campaigns.errors import NothingToRetry, StillAtWork, wrong_state
from services.campaigns.move_store import CampaignMoved, RecipientMoves, once_more
from services.campaigns.recipient_store import FIRST, RecipientStore
from services.campaigns.states import ALLOWED, CampaignStatus, RecipientState
from services.campaigns.store import CampaignStore

BATCH = 1_000  # recipients looked at in one round trip
HELD_FOR = timedelta(seconds=60)  # from the last batch on: a retry that died holds a campaign no longer

Document = dict[str, Any]


def not_retried(now: datetime) -> Document:
    """Return the query for campaigns that no retry holds now."""
    return {"$or": [{"retrying": {"$exists": False}}, {"retrying.until": {"$lt": now}}]}


class Retrying:
    """Moves those who failed into the next round, and then starts the campaign: one call at a time, or 409."""

    def __init__(
        self, campaigns: CampaignStore, recipients: RecipientStore, moves: RecipientMoves, clock: Clock
    ) -> None:
        self._campaigns = campaigns
        self._recipients = recipients
        self._moves = moves
        self._clock = clock

    async def retry(self, campaign: Document, codes: list[str] | None) -> tuple[Document, int]:
        """Send to those who failed (with one of these codes) once more; -> the campaign and to how many.

        Raises WrongState, StillAtWork where another retry is at it, and NothingToRetry.
        """
        token = new_id()
        held = await self._held(campaign, token, not_retried(self._clock.now()))
        if held is None:
            await self._refuse(campaign)
        try:
            again = await self._move(campaign, token, codes)
            if not again and not await self._left_over(campaign):
                raise NothingToRetry("Nobody failed, or nobody with these codes.", param="codes" if codes else None)
            changes: Document = {
                "$set": {"status": CampaignStatus.RUNNING.value, "work": True, "tell_until": ALWAYS},
                "$unset": {"pause_reason": "", "completed_at": "", "retrying": ""},
                "$min": {"next_round_at": self._clock.now()},
            }
            started = await self._changed(campaign, {"retrying.by": token}, changes)
            if started is None:
                await self._refuse(campaign)
            return started or campaign, again
        except (NothingToRetry, CampaignMoved):
            await self._changed(campaign, {"retrying.by": token}, {"$unset": {"retrying": ""}}, tuple(CampaignStatus))
            raise

    async def _move(self, campaign: Document, token: str, codes: list[str] | None) -> int:
        again, after = 0, FIRST
        while rows := await self._recipients.in_state(campaign, RecipientState.FAILED, BATCH, after):
            after = (rows[-1]["round"], rows[-1]["_id"])
            chosen = [
                row for row in rows
                if "to" in row and (codes is None or row.get("error", {}).get("code") in codes)
            ]  # fmt: skip
            if await self._held(campaign, token, {"retrying.by": token}) is None:
                await self._refuse(campaign)
            moves = [once_more(row, RecipientState.FAILED, campaign) for row in chosen]
            try:
                again += await self._moves.move(campaign, moves, ALLOWED["retry"])
            except CampaignMoved:
                await self._refuse(campaign)
        return again

    async def _left_over(self, campaign: Document) -> bool:
        """Tell whether an earlier retry that died moved people of a campaign that was over."""
        if campaign["status"] != CampaignStatus.COMPLETED:
            return False
        return bool(await self._recipients.in_state(campaign, RecipientState.PENDING, 1))

    async def _held(self, campaign: Document, token: str, wanted: Document) -> Document | None:
        until = self._clock.now() + HELD_FOR
        return await self._changed(campaign, wanted, {"$set": {"retrying": {"by": token, "until": until}}})

    async def _changed(
        self, campaign: Document, wanted: Document, changes: Document,
        among: tuple[CampaignStatus, ...] = ALLOWED["retry"],
    ) -> Document | None:  # fmt: skip
        return await self._campaigns.move_where(campaign["tenant"], campaign["_id"], among, wanted, changes)

    async def _refuse(self, campaign: Document) -> None:
        """Raise why the campaign cannot be retried now."""
        now = await self._campaigns.get(campaign["tenant"], campaign["_id"])
        status = CampaignStatus(now["status"]) if now is not None else CampaignStatus.CANCELED
        if status in ALLOWED["retry"]:
            raise StillAtWork("Another retry of this campaign is at work.", retry_after=1)
        raise wrong_state("retry", status)
