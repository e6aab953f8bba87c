"""Telling how far campaigns are: what is so is compared with what was told, so that nothing told is ever missing."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from libs.events.campaigns import CampaignProgressed
from libs.events.envelope import Envelope
from libs.events.model import Told
from libs.events.topics import CAMPAIGNS_PROGRESS
from libs.kafka.bus import Bus
from libs.kafka.events import outgoing
from libs.mongo.leases import Lease
from libs.runtime.clock import Clock
from libs.runtime.ids import derived_id
from libs.runtime.periodic import Periodic
from services.campaigns.recipient_store import RecipientStore
from services.campaigns.states import CampaignStatus
from services.campaigns.store import CampaignStore

EVERY = 1.0  # seconds between rounds
ENDED_EVERY = 10  # rounds between looks at campaigns that ended: their statuses still come
TOLD_AFTER_END = timedelta(hours=48)
ALWAYS = datetime(9999, 1, 1, tzinfo=UTC)  # until when a campaign that did not end yet is told of
ENDED = (CampaignStatus.COMPLETED, CampaignStatus.CANCELED)

Document = dict[str, Any]


class Announcer(Periodic):
    """A part: publishes `campaigns.progress.v1`, in one process at a time."""

    def __init__(
        self, campaigns: CampaignStore, recipients: RecipientStore, bus: Bus, lease: Lease, clock: Clock
    ) -> None:
        super().__init__(EVERY)
        self._campaigns = campaigns
        self._recipients = recipients
        self._bus = bus
        self._lease = lease
        self._clock = clock
        self._rounds = 0

    async def _round(self) -> None:
        """Tell of every campaign whose status or counts are not what was told last."""
        if not await self._lease.hold():
            return
        self._rounds += 1
        ended_too = self._rounds % ENDED_EVERY == 1
        campaigns = await self._campaigns.told_of(self._clock.now(), None if ended_too else ALWAYS)
        counts = await self._recipients.counts([each["_id"] for each in campaigns])
        new = [
            (each, counts[each["_id"]]) for each in campaigns if _says(each, counts[each["_id"]]) != each.get("told")
        ]
        if new:
            now = self._clock.now()
            await self._bus.publish_many([outgoing(_event(campaign, its, now)) for campaign, its in new])
        for campaign, its in new:
            until = now + TOLD_AFTER_END if campaign["status"] in ENDED else ALWAYS
            await self._campaigns.told(campaign, _says(campaign, its), until)


def _says(campaign: Document, counts: dict[str, int]) -> str:
    return json.dumps([campaign["status"], campaign.get("pause_reason"), sorted(counts.items())])


def _event(campaign: Document, counts: dict[str, int], now: datetime) -> Told:
    event = CampaignProgressed(
        campaign_id=campaign["_id"], name=campaign["name"], phone_number_id=campaign["phone_number_id"],
        status=campaign["status"], pause_reason=campaign.get("pause_reason"), recipients=sum(counts.values()),
        counts=counts, at=now,
    )  # fmt: skip
    moves = str(campaign.get("moves", 0))  # the same state and counts may come again: paused, resumed, paused
    envelope = Envelope(
        id=derived_id("progress", campaign["_id"], moves, _says(campaign, counts)), type=event.type_name(),
        source="campaigns", time=now, tenant=campaign["tenant"], subject=campaign["_id"],
        correlationid=campaign["_id"],
    )  # fmt: skip
    return Told(CAMPAIGNS_PROGRESS, campaign["_id"], envelope, event)
