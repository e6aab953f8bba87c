"""Steering: what a campaign at work does by itself: it pauses, says what it waits for, goes on, and is complete."""

from datetime import datetime
from typing import Any

import structlog

from libs.runtime.clock import Clock
from services.campaigns.metrics import PAUSED
from services.campaigns.opt_outs import OptOuts
from services.campaigns.protection import (
    BUDGET_USED_UP,
    TOO_MANY_FAILED,
    TOO_MANY_OPTED_OUT,
    reason_to_pause,
    shares_from,
)
from services.campaigns.retrying import not_retried
from services.campaigns.states import CampaignStatus
from services.campaigns.store import CampaignStore
from services.campaigns.targets import Sending, Targets
from services.campaigns.variants import Split

Document = dict[str, Any]
log = structlog.get_logger()


class Steering:
    """Moves campaigns at work, each step by compare-and-set: where a person was first, nothing happens."""

    def __init__(self, campaigns: CampaignStore, targets: Targets, opt_outs: OptOuts, clock: Clock) -> None:
        self._campaigns = campaigns
        self._targets = targets
        self._opt_outs = opt_outs
        self._clock = clock

    def forget(self, campaign_id: str) -> None:
        """Drop what is kept of a campaign that is over."""
        self._opt_outs.forget(campaign_id)

    async def reason_to_pause(self, campaign: Document, counts: dict[str, int], sending: Sending | None) -> str | None:
        """Return why a running campaign must not go on as things stand, None where it may."""
        templates = [
            await self._targets.template(
                campaign["tenant"], campaign["waba_id"], each.template["name"], each.template["language"]
            )
            for each in Split(campaign).variants
        ]
        return reason_to_pause(campaign, counts, sending, templates, await self._opt_outs.of(campaign))

    async def go_on(self, campaign: Document, counts: dict[str, int], sending: Sending | None) -> bool:
        """Resume a campaign that may go on by itself, where nothing stands in its way any more."""
        if await self.reason_to_pause(campaign, counts, sending) is not None:
            return False
        changes: Document = {"$set": {"status": CampaignStatus.RUNNING.value}, "$unset": {"pause_reason": ""}}
        idle = not_retried(self._clock.now()) | {"pause_reason": campaign.get("pause_reason")}
        moved = await self._campaigns.move_where(
            campaign["tenant"], campaign["_id"], (CampaignStatus.PAUSED,), idle, changes
        )  # fmt: skip
        if moved is not None:
            log.info("campaign_went_on_by_itself", campaign_id=campaign["_id"], after=campaign.get("pause_reason"))
        return moved is not None

    async def say_waiting(self, campaign: Document, reason: str | None, until: datetime | None) -> None:
        """Write into the campaign why it waits, where that changed."""
        waiting = {"reason": reason, "until": until} if reason is not None else None
        if campaign.get("waiting") != waiting:
            changes: Document = {"$set": {"waiting": waiting}}
            await self._campaigns.move(campaign["tenant"], campaign["_id"], (CampaignStatus.RUNNING,), changes)

    async def pause(self, campaign: Document, reason: str, counts: dict[str, int]) -> None:
        """Pause a campaign, and say why."""
        changes: Document = {"status": CampaignStatus.PAUSED.value, "pause_reason": reason, "waiting": None}
        if reason in (TOO_MANY_FAILED, TOO_MANY_OPTED_OUT):
            # A person who resumes it has judged what was until here.
            changes["shares_from"] = shares_from(counts, await self._opt_outs.of(campaign))
        if reason != BUDGET_USED_UP:  # what is queued is within the budget
            changes["taking_back"] = True
        if await self._campaigns.move(
            campaign["tenant"], campaign["_id"], (CampaignStatus.RUNNING,), {"$set": changes}
        ):  # fmt: skip
            PAUSED.labels(reason).inc()
            log.warning("campaign_paused_itself", campaign_id=campaign["_id"], reason=reason)

    async def complete(self, campaign: Document) -> None:
        """Note that everybody of a campaign was written to."""
        changes = {"status": CampaignStatus.COMPLETED.value, "completed_at": self._clock.now(), "waiting": None}
        await self._campaigns.move(
            campaign["tenant"], campaign["_id"], (CampaignStatus.RUNNING,), {"$set": changes, "$unset": {"work": ""}}
        )  # fmt: skip
