"""Fan-out: a campaign's recipients become messages in the ledger, a batch at a time, never far ahead of the number.

The cursor moves past a batch before its messages are stored, and notes up to where they are: whoever takes over after a
crash stores those in between again, and the same row is the same message.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from libs.mongo.leases import Lease
from libs.runtime.clock import Clock
from libs.runtime.periodic import Periodic
from services.campaigns.hours import free_at, hours_of, opens_at
from services.campaigns.metrics import PAUSED, RUNNING
from services.campaigns.money import affordable
from services.campaigns.move_store import CampaignMoved, RecipientMoves
from services.campaigns.opt_outs import OptOuts
from services.campaigns.pace import Neighbours, Pace
from services.campaigns.protection import BUDGET_USED_UP, goes_on_by_itself, reason_to_pause
from services.campaigns.queueing import Queueing
from services.campaigns.recipient_store import RecipientStore
from services.campaigns.states import CampaignStatus, RecipientState
from services.campaigns.store import CampaignStore
from services.campaigns.take_back import TakeBack
from services.campaigns.targets import Sending, Targets
from services.campaigns.variants import Split

BATCH = 1_000  # recipients that the cursor moves past in one transaction
COMMIT = 500  # messages of one commit of the ledger
IN_FLIGHT = 4  # commits of a campaign at once: MongoDB writes one while the next one is made
UNSURE = IN_FLIGHT * COMMIT + 2 * BATCH  # recipients that a process which died may have left behind, and more
SAFE = 5.0  # seconds after the lease was renewed within which a batch may be stored: half of what it lasts
RENEW = 1.0  # seconds

Document = dict[str, Any]
log = structlog.get_logger()


class LeaseInDoubt(Exception):
    """The lease was renewed too long ago: another process may hold it by now."""


class FanOut(Periodic):
    """A part: works on all campaigns in turn, in one process at a time."""

    def __init__(
        self, campaigns: CampaignStore, recipients: RecipientStore, moves: RecipientMoves, targets: Targets,
        queueing: Queueing, take_back: TakeBack, pace: Pace, opt_outs: OptOuts, lease: Lease, clock: Clock,
        every: timedelta,
    ) -> None:  # fmt: skip
        super().__init__(every.total_seconds())
        self._campaigns = campaigns
        self._recipients = recipients
        self._moves = moves
        self._targets = targets
        self._queueing = queueing
        self._take_back = take_back
        self._pace = pace
        self._opt_outs = opt_outs
        self._lease = lease
        self._clock = clock
        self._held_at: float | None = None
        self._stored: dict[str, str] = {}  # campaign -> up to where this process knows its messages to be stored
        self._storing: dict[str, deque[asyncio.Task[str]]] = {}  # campaign -> its batches that are being stored

    async def stop(self) -> None:
        """End, and wait for what is being stored."""
        await super().stop()
        await self._all_stored()

    async def _round(self) -> None:
        """Give every campaign a batch, again and again while any of them has work and room."""
        try:
            while await self._hold() and await self._turn():
                pass
        except LeaseInDoubt:
            self._held_at = None
        finally:
            await self._all_stored()

    async def _turn(self) -> bool:
        """Do the next thing for every campaign; -> whether there may be more at once."""
        await self._campaigns.begin_scheduled(self._clock.now())
        campaigns = await self._campaigns.at_work()
        self._forget({each["_id"] for each in campaigns})
        RUNNING.set(sum(each["status"] == CampaignStatus.RUNNING for each in campaigns))
        counts = await self._recipients.counts([each["_id"] for each in campaigns])
        sendings = {
            each["_id"]: await self._targets.sending(each["tenant"], each["phone_number_id"]) for each in campaigns
        }
        neighbours, busy = Neighbours.of(campaigns, counts, sendings), False
        for campaign in campaigns:
            try:
                busy |= await self._work(campaign, counts[campaign["_id"]], sendings[campaign["_id"]], neighbours)
            except CampaignMoved:
                busy = True  # it was paused, say, in this moment: look again
        return busy

    def _forget(self, at_work: set[str]) -> None:
        """Drop what is kept of campaigns that there is nothing to do for any more."""
        for campaign_id in set(self._stored) - at_work:
            del self._stored[campaign_id]
            self._storing.pop(campaign_id, None)
            self._pace.forget(campaign_id)
            self._opt_outs.forget(campaign_id)

    async def _hold(self) -> bool:
        """Renew the lease where it is time; -> whether it is ours. Who gets it anew knows nothing of what is stored."""
        asked = self._clock.monotonic()
        if self._held_at is not None and asked - self._held_at < RENEW:
            return True
        ours = await self._lease.hold()
        if not ours or self._held_at is None or asked - self._held_at > SAFE:
            self._stored.clear()
        self._held_at = asked if ours else None
        return ours

    async def _work(
        self, campaign: Document, counts: dict[str, int], sending: Sending | None, neighbours: Neighbours
    ) -> bool:
        """Do the next thing for a campaign; -> whether there may be more at once."""
        if campaign.get("taking_back"):
            await self._settled(campaign)
            return await self._take_back.work(campaign)
        if campaign["status"] == CampaignStatus.PAUSED and goes_on_by_itself(campaign):
            return await self._go_on(campaign, counts, sending)
        if campaign["status"] != CampaignStatus.RUNNING:
            return False
        reason = await self._reason_to_pause(campaign, counts, sending)
        if reason is not None or sending is None:
            await self._settled(campaign)
            await self._pause(campaign, reason or "number_not_connected")
            return True
        if str(campaign["round"]) not in campaign["rounds"]:
            await self._moves.begin_round(campaign, campaign["round"], self._clock.now())
            return True
        if campaign["_id"] not in self._stored:
            await self._recover(campaign)
        waits, now = counts[RecipientState.PENDING] + counts[RecipientState.QUEUED] > 0, self._clock.now()
        if waits and (opens := opens_at(campaign.get("send_window"), now)) > now:
            return await self._wait_for_window(campaign, counts, opens)
        if counts[RecipientState.PENDING] == 0:
            await self._settled(campaign)
            if campaign["stored"] != campaign["cursor"]:
                await self._moves.confirm(campaign)
            if counts[RecipientState.QUEUED] == 0:
                await self._complete(campaign)
            return False
        room = await self._pace.room(campaign, counts, sending, neighbours, BATCH)
        if room.messages > 0:
            return await self._queue(campaign, room.messages)
        if room.reason is not None:
            await self._say_waiting(campaign, room.reason, room.until)
        return False

    async def _queue(self, campaign: Document, room: int) -> bool:
        """Move the cursor past the next recipients and have their messages stored; -> whether there were any."""
        rows = await self._recipients.waiting(campaign, room)
        if not rows:
            await self._settled(campaign)
            return await self._next_round(campaign)
        if campaign.get("max_cost") is not None:
            rows = list(affordable(campaign, rows, await self._recipients.spent(campaign["_id"])))
            if not rows:
                await self._settled(campaign)
                await self._pause(campaign, BUDGET_USED_UP)
                return True
        later = _later(campaign, rows, self._clock.now())
        if len(later) < len(rows):
            await self._say_waiting(campaign, None, None)
        moved = await self._moves.advance(campaign, rows, later, self._stored[campaign["_id"]])
        now = [row for row in rows if row["_id"] not in later]
        for first in range(0, len(now), COMMIT):
            await self._settled(campaign, IN_FLIGHT - 1)
            part = now[first : first + COMMIT]
            upto = part[-1]["_id"] if first + COMMIT < len(now) else rows[-1]["_id"]
            task = asyncio.create_task(self._store(moved, part, upto))
            self._storing.setdefault(campaign["_id"], deque()).append(task)
        return True

    async def _wait_for_window(self, campaign: Document, counts: dict[str, int], opens: datetime) -> bool:
        """Take back what is queued when the send window closes, and wait until it opens."""
        await self._settled(campaign)
        await self._say_waiting(campaign, "send_window", opens)
        if not counts[RecipientState.QUEUED] or campaign.get("window_closed") == opens:
            return False
        changes: Document = {"$set": {"taking_back": True, "window_closed": opens}}
        await self._campaigns.move(campaign["tenant"], campaign["_id"], (CampaignStatus.RUNNING,), changes)
        return True

    async def _next_round(self, campaign: Document) -> bool:
        number = await self._recipients.next_round(campaign)
        if number is None:
            return False
        now = self._clock.now()
        if (opens := campaign.get("next_round_at")) is not None and opens > now:
            await self._say_waiting(campaign, "quiet_hours", opens)
            return False
        await self._moves.begin_round(campaign, number, now)
        self._stored[campaign["_id"]] = ""
        return True

    async def _store(self, campaign: Document, rows: Sequence[Document], upto: str) -> str:
        """Store messages; -> up to where all are stored once those before these are."""
        if self._held_at is None or self._clock.monotonic() - self._held_at > SAFE:
            raise LeaseInDoubt
        await self._queueing.store(campaign, rows)
        return upto

    async def _settled(self, campaign: Document, most: int = 0) -> None:
        """Wait until at most so many batches are still being stored; raises what came of one that is not stored."""
        tasks = self._storing.get(campaign["_id"], deque())
        while len(tasks) > most:
            try:
                self._stored[campaign["_id"]] = await tasks[0]
                tasks.popleft()
            except BaseException:
                self._stored.pop(campaign["_id"], None)
                await asyncio.gather(*tasks, return_exceptions=True)
                tasks.clear()
                raise

    async def _all_stored(self) -> None:
        """Wait for every batch that is being stored; what came of them is told where their campaign is worked on."""
        await asyncio.gather(*(task for tasks in self._storing.values() for task in tasks), return_exceptions=True)

    async def _recover(self, campaign: Document) -> None:
        """Store what a process before this one may not have stored any more."""
        await self._settled(campaign)
        rows = await self._recipients.unconfirmed(campaign, UNSURE)
        for first in range(0, len(rows), COMMIT):
            await self._store(campaign, rows[first : first + COMMIT], campaign["cursor"])
        await self._moves.confirm(campaign)
        self._stored[campaign["_id"]] = campaign["cursor"]

    async def _reason_to_pause(self, campaign: Document, counts: dict[str, int], sending: Sending | None) -> str | None:
        templates = [
            await self._targets.template(
                campaign["tenant"], campaign["waba_id"], each.template["name"], each.template["language"]
            )
            for each in Split(campaign).variants
        ]
        return reason_to_pause(campaign, counts, sending, templates, await self._opt_outs.of(campaign))

    async def _go_on(self, campaign: Document, counts: dict[str, int], sending: Sending | None) -> bool:
        """Resume a campaign that may go on by itself, where nothing stands in its way any more."""
        if await self._reason_to_pause(campaign, counts, sending) is not None:
            return False
        changes: Document = {"$set": {"status": CampaignStatus.RUNNING.value}, "$unset": {"pause_reason": ""}}
        moved = await self._campaigns.move(campaign["tenant"], campaign["_id"], (CampaignStatus.PAUSED,), changes)
        log.info("campaign_went_on_by_itself", campaign_id=campaign["_id"], after=campaign.get("pause_reason"))
        return moved is not None

    async def _say_waiting(self, campaign: Document, reason: str | None, until: datetime | None) -> None:
        """Write into the campaign why it waits, where that changed."""
        waiting = {"reason": reason, "until": until} if reason is not None else None
        if campaign.get("waiting") != waiting:
            changes: Document = {"$set": {"waiting": waiting}}
            await self._campaigns.move(campaign["tenant"], campaign["_id"], (CampaignStatus.RUNNING,), changes)

    async def _pause(self, campaign: Document, reason: str) -> None:
        changes: Document = {"status": CampaignStatus.PAUSED.value, "pause_reason": reason, "waiting": None}
        if reason != BUDGET_USED_UP:  # what is queued is within the budget
            changes["taking_back"] = True
        if await self._campaigns.move(
            campaign["tenant"], campaign["_id"], (CampaignStatus.RUNNING,), {"$set": changes}
        ):  # fmt: skip
            PAUSED.labels(reason).inc()
            log.warning("campaign_paused_itself", campaign_id=campaign["_id"], reason=reason)

    async def _complete(self, campaign: Document) -> None:
        changes = {"status": CampaignStatus.COMPLETED.value, "completed_at": self._clock.now(), "waiting": None}
        await self._campaigns.move(
            campaign["tenant"], campaign["_id"], (CampaignStatus.RUNNING,), {"$set": changes, "$unset": {"work": ""}}
        )  # fmt: skip


def _later(campaign: Document, rows: Sequence[Document], now: datetime) -> dict[str, datetime]:
    """Return who of these must not be written to now, by the quiet hours where they live, and when they may be."""
    if (said := campaign.get("quiet_hours")) is None:
        return {}
    quiet = hours_of(said)
    moments = {row["_id"]: free_at(quiet, row["to"], now) for row in rows}
    return {row_id: moment for row_id, moment in moments.items() if moment > now}
