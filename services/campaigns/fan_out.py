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
from libs.runtime.errors import Outage
from libs.runtime.periodic import Periodic
from services.campaigns.hours import asleep, opens_at
from services.campaigns.metrics import RUNNING
from services.campaigns.money import affordable
from services.campaigns.move_store import CampaignMoved, RecipientMoves
from services.campaigns.pace import Neighbours, Pace
from services.campaigns.protection import BUDGET_USED_UP, goes_on_by_itself
from services.campaigns.queueing import Queueing
from services.campaigns.recipient_store import RecipientStore
from services.campaigns.states import CampaignStatus, RecipientState
from services.campaigns.steering import Steering
from services.campaigns.store import CampaignStore
from services.campaigns.take_back import TakeBack
from services.campaigns.targets import Sending, Targets

BATCH = 1_000  # recipients that the cursor moves past in one transaction
COMMIT = 500  # messages of one commit of the ledger
IN_FLIGHT = 4  # commits of a campaign at once: MongoDB writes one while the next one is made
UNSURE = IN_FLIGHT * COMMIT + 2 * BATCH  # recipients that a process which died may have left behind, and more
SAFE = 5.0  # seconds after the lease was renewed within which a batch may be stored: half of what it lasts
RENEW = 1.0  # seconds
NIGHTS_EVERY = 15.0  # seconds between looks at who is queued for longer, and fell asleep meanwhile

Document = dict[str, Any]
log = structlog.get_logger()


class LeaseInDoubt(Exception):
    """The lease was renewed too long ago: another process may hold it by now."""


class FanOut(Periodic):
    """A part: works on all campaigns in turn, in one process at a time."""

    def __init__(
        self, campaigns: CampaignStore, recipients: RecipientStore, moves: RecipientMoves, targets: Targets,
        queueing: Queueing, take_back: TakeBack, pace: Pace, steering: Steering, lease: Lease, clock: Clock,
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
        self._steering = steering
        self._lease = lease
        self._clock = clock
        self._held_at: float | None = None
        self._nights: dict[str, float] = {}  # campaign -> when it was looked at who of the queued fell asleep
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
            if not await self._hold():
                return False
            try:
                busy |= await self._work(campaign, counts[campaign["_id"]], sendings[campaign["_id"]], neighbours)
            except CampaignMoved:
                busy = True  # it was paused, say, in this moment: look again
            except (Outage, LeaseInDoubt):
                raise
            except Exception:  # one campaign's trouble must not stand in the way of all the others
                log.exception("campaign_failed", campaign_id=campaign["_id"])
        return busy

    def _forget(self, at_work: set[str]) -> None:
        """Drop what is kept of campaigns that there is nothing to do for any more."""
        for campaign_id in set(self._stored) - at_work:
            del self._stored[campaign_id]
            self._storing.pop(campaign_id, None)
            self._nights.pop(campaign_id, None)
            self._pace.forget(campaign_id)
            self._steering.forget(campaign_id)

    async def _hold(self) -> bool:
        """Renew the lease where it is time; -> whether it is ours. Who gets it anew knows nothing of what is stored."""
        asked = self._clock.monotonic()
        if self._held_at is not None and asked - self._held_at < RENEW:
            return True
        ours = await self._lease.hold()
        if not ours or self._held_at is None or asked - self._held_at > SAFE:
            await self._all_stored()
            self._storing.clear()
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
            return await self._steering.go_on(campaign, counts, sending)
        if campaign["status"] != CampaignStatus.RUNNING:
            return False
        reason = await self._steering.reason_to_pause(campaign, counts, sending)
        if reason is not None or sending is None:
            await self._settled(campaign)
            if reason == BUDGET_USED_UP and campaign["_id"] not in self._stored:
                await self._recover(campaign)  # whom the budget was for is written to, whatever broke before
            await self._steering.pause(campaign, reason or "number_not_connected", counts)
            return True
        if str(campaign["round"]) not in campaign["rounds"]:
            await self._moves.begin_round(campaign, campaign["round"], self._clock.now())
            return True
        if campaign["_id"] not in self._stored:
            await self._recover(campaign)
        waits, now = counts[RecipientState.PENDING] + counts[RecipientState.QUEUED] > 0, self._clock.now()
        if waits and (opens := opens_at(campaign.get("send_window"), now)) > now:
            return await self._wait_for_window(campaign, counts, opens)
        if campaign.get("quiet_hours") and counts[RecipientState.QUEUED] and self._night_is_due(campaign["_id"]):
            await self._settled(campaign)
            await self._take_back.put_off(campaign)
        if counts[RecipientState.PENDING] == 0:
            await self._all_queued(campaign, counts)
            return False
        room = await self._pace.room(campaign, counts, sending, neighbours, BATCH)
        if room.messages > 0:
            neighbours.note(campaign, sending, room.messages)
            return await self._queue(campaign, counts, room.messages)
        if room.reason is not None:
            await self._steering.say_waiting(campaign, room.reason, room.until)
        return False

    async def _all_queued(self, campaign: Document, counts: dict[str, int]) -> None:
        """Note that all messages are stored; complete the campaign where none of them is queued any more."""
        await self._settled(campaign)
        if campaign["stored"] != campaign["cursor"]:
            await self._moves.confirm(campaign, campaign["cursor"])
        if counts[RecipientState.QUEUED] == 0:
            await self._steering.complete(campaign)

    async def _queue(self, campaign: Document, counts: dict[str, int], room: int) -> bool:
        """Move the cursor past the next recipients and have their messages stored; -> whether there were any."""
        rows = await self._recipients.waiting(campaign, room)
        if not rows:
            await self._settled(campaign)
            return await self._next_round(campaign)
        if campaign.get("max_cost") is not None:
            rows = list(affordable(campaign, rows, await self._recipients.spent(campaign["_id"])))
            if not rows:
                await self._settled(campaign)
                await self._steering.pause(campaign, BUDGET_USED_UP, counts)
                return True
        later = asleep(campaign.get("quiet_hours"), rows, self._clock.now())
        if len(later) < len(rows):
            await self._steering.say_waiting(campaign, None, None)
        moved = await self._moves.advance(campaign, rows, later, self._stored[campaign["_id"]])
        now = [row for row in rows if row["_id"] not in later]
        for first in range(0, len(now), COMMIT):
            await self._settled(campaign, IN_FLIGHT - 1)
            part = now[first : first + COMMIT]
            upto = part[-1]["_id"] if first + COMMIT < len(now) else rows[-1]["_id"]
            task = asyncio.create_task(self._store(moved, part, upto))
            self._storing.setdefault(campaign["_id"], deque()).append(task)
        return True

    def _night_is_due(self, campaign_id: str) -> bool:
        """Tell whether it is time to look at who is queued and fell asleep meanwhile."""
        now = self._clock.monotonic()
        if due := now - self._nights.get(campaign_id, -NIGHTS_EVERY) >= NIGHTS_EVERY:
            self._nights[campaign_id] = now
        return due

    async def _wait_for_window(self, campaign: Document, counts: dict[str, int], opens: datetime) -> bool:
        """Take back what is queued when the send window closes, and wait until it opens."""
        await self._settled(campaign)
        await self._steering.say_waiting(campaign, "send_window", opens)
        if counts[RecipientState.QUEUED]:  # again and again: what was being sent may come back to the queue
            changes: Document = {"$set": {"taking_back": True}}
            await self._campaigns.move(campaign["tenant"], campaign["_id"], (CampaignStatus.RUNNING,), changes)
        return False

    async def _next_round(self, campaign: Document) -> bool:
        number = await self._recipients.next_round(campaign)
        if number is None:
            return False
        now = self._clock.now()
        if (opens := campaign.get("next_round_at")) is not None and opens > now:
            await self._steering.say_waiting(campaign, "quiet_hours", opens)
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
                self._stored[campaign["_id"]] = await asyncio.shield(tasks[0])
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
            part = rows[first : first + COMMIT]
            await self._store(campaign, part, part[-1]["_id"])
            await self._moves.confirm(campaign, part[-1]["_id"])
        await self._moves.confirm(campaign, campaign["cursor"])
        self._stored[campaign["_id"]] = campaign["cursor"]
