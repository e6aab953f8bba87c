"""Fan-out: a campaign's recipients become messages in the ledger, a batch at a time, never far ahead of the number.

A recipient is moved to `queued` with the id of its message before that is stored, so that whoever takes over after a
crash knows which messages may be missing, and storing them again is the same message.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import structlog

from libs.events.messages import Lane
from libs.kafka.bus import Bus, BusUnavailable
from libs.kafka.events import outgoing
from libs.ledger.claims import Claims
from libs.ledger.intake import Intake, Stored
from libs.ledger.reader import MessageReader
from libs.ledger.record import OutboundDraft, wake_up
from libs.mongo.leases import Lease
from libs.runtime.clock import Clock
from libs.runtime.ids import derived_time_id
from libs.runtime.periodic import Periodic
from libs.web.errors import ApiError
from services.campaigns.launcher import once_more
from services.campaigns.metrics import PAUSED, QUEUED, RUNNING, TAKEN_BACK
from services.campaigns.protection import BUDGET_USED_UP, reason_to_pause, written_to
from services.campaigns.recipient_store import CampaignMoved, Move, RecipientStore
from services.campaigns.states import CampaignStatus, RecipientState
from services.campaigns.store import CampaignStore
from services.campaigns.targets import Sending, Targets

BATCH = 500  # recipients of one transaction and one commit of the ledger
DEFAULT_TTL = timedelta(hours=24)
SAFE = 5.0  # seconds after the lease was renewed within which a batch may be stored: half of what it lasts
TELL_FOR = 5.0  # seconds: wake-ups that take longer are left to the sweeper

Document = dict[str, Any]
log = structlog.get_logger()


class LeaseInDoubt(Exception):
    """The lease was renewed too long ago: another process may hold it by now."""


class FanOut(Periodic):
    """A part: works on all campaigns in turn, in one process at a time."""

    def __init__(
        self, campaigns: CampaignStore, recipients: RecipientStore, targets: Targets, intake: Intake, claims: Claims,
        messages: MessageReader, bus: Bus, lease: Lease, clock: Clock, ahead: timedelta, every: timedelta,
    ) -> None:  # fmt: skip
        super().__init__(every.total_seconds())
        self._campaigns = campaigns
        self._recipients = recipients
        self._targets = targets
        self._intake = intake
        self._claims = claims
        self._messages = messages
        self._bus = bus
        self._lease = lease
        self._clock = clock
        self._ahead = ahead.total_seconds()
        self._held_at = 0.0
        self._allowance: dict[str, tuple[float, float]] = {}  # campaign -> tokens of its own rate, and since when

    async def _round(self) -> None:
        """Give every campaign a batch, again and again while any of them has work and room."""
        while await self._hold():
            await self._campaigns.begin_scheduled(self._clock.now())
            campaigns = await self._campaigns.at_work()
            RUNNING.set(sum(each["status"] == CampaignStatus.RUNNING for each in campaigns))
            counts = await self._recipients.counts([each["_id"] for each in campaigns])
            busy = False
            for campaign in campaigns:
                try:
                    busy |= await self._work(campaign, counts[campaign["_id"]])
                except CampaignMoved:
                    busy = True  # it was paused, say, in this moment: look again
                except LeaseInDoubt:
                    return
            if not busy:
                return

    async def _hold(self) -> bool:
        asked = self._clock.monotonic()
        if not await self._lease.hold():
            return False
        self._held_at = asked
        return True

    async def _work(self, campaign: Document, counts: dict[str, int]) -> bool:
        """Do the next thing for a campaign; -> whether there may be more at once."""
        if campaign.get("taking_back"):
            return await self._take_back(campaign)
        if campaign["status"] != CampaignStatus.RUNNING:
            return False
        if unstored := await self._recipients.unstored(campaign["_id"], BATCH):
            await self._store(campaign, unstored)
            return True
        sending = await self._targets.sending(campaign["tenant"], campaign["phone_number_id"])
        if (reason := await self._reason_to_pause(campaign, counts, sending)) is not None or sending is None:
            await self._pause(campaign, reason or "number_not_connected")
            return True
        if counts[RecipientState.PENDING] == 0:
            if counts[RecipientState.QUEUED] == 0:
                await self._complete(campaign)
            return False
        room = self._room(campaign, counts, sending)
        if room <= 0:
            return False
        rows = await self._recipients.in_state(campaign["_id"], RecipientState.PENDING, min(BATCH, room))
        await self._queue(campaign, rows)
        return True

    async def _reason_to_pause(self, campaign: Document, counts: dict[str, int], sending: Sending | None) -> str | None:
        name, language = campaign["template"]["name"], campaign["template"]["language"]
        template = await self._targets.template(campaign["tenant"], campaign["waba_id"], name, language)
        return reason_to_pause(campaign, counts, sending, template)

    def _room(self, campaign: Document, counts: dict[str, int], sending: Sending) -> int:
        """Return how many messages more may wait now: some seconds of the number's rate, and of the campaign's own."""
        room = int(sending.number.throughput * self._ahead) - counts[RecipientState.QUEUED]
        if (budget := campaign.get("budget")) is not None:
            room = min(room, budget - written_to(counts))
        if (rate := campaign.get("rate_per_second")) is not None:
            now = self._clock.monotonic()
            tokens, since = self._allowance.get(campaign["_id"], (1.0, now))
            tokens = min(tokens + (now - since) * rate, max(rate, 1.0))
            room = min(room, int(tokens))
            self._allowance[campaign["_id"]] = (tokens - max(min(room, BATCH), 0), now)
        return room

    async def _queue(self, campaign: Document, rows: Sequence[Document]) -> None:
        moves = []
        for row in rows:
            row["message_id"] = derived_time_id(campaign["launched_at"], row["_id"], str(row["round"]))
            fields = {"message_id": row["message_id"], "unstored": True}
            moves.append(Move(row["_id"], RecipientState.PENDING, RecipientState.QUEUED, None, fields))
        await self._recipients.move(campaign, moves, (CampaignStatus.RUNNING,))
        await self._store(campaign, rows)

    async def _store(self, campaign: Document, rows: Sequence[Document]) -> None:
        """Put the messages of queued recipients into the ledger, and wake the sender."""
        if self._clock.monotonic() - self._held_at > SAFE:
            raise LeaseInDoubt
        results = await self._intake.accept_all([self._draft(campaign, row) for row in rows])
        stored = [(row, it) for row, it in zip(rows, results, strict=True) if isinstance(it, Stored)]
        skipped = [_skip(row, it) for row, it in zip(rows, results, strict=True) if isinstance(it, ApiError)]
        for it in results:
            if not isinstance(it, Stored | ApiError):
                raise it
        await self._recipients.move(campaign, skipped)
        await self._recipients.stored([row for row, _ in stored])
        QUEUED.inc(len(stored))
        now = self._clock.now()
        try:
            await self._bus.publish_many(
                [outgoing(wake_up(it.document, source="campaigns", now=now)) for _, it in stored], timeout=TELL_FOR
            )
        except BusUnavailable:
            log.info("wake_ups_left_to_the_sweeper", campaign_id=campaign["_id"], messages=len(stored))

    def _draft(self, campaign: Document, row: Document) -> OutboundDraft:
        template, now = campaign["template"], self._clock.now()
        content: Document = {"name": template["name"], "language": {"code": template["language"]}}
        if components := row.get("components", campaign.get("components")):
            content["components"] = components
        ttl = timedelta(seconds=campaign["ttl"]) if campaign.get("ttl") else DEFAULT_TTL
        return OutboundDraft(
            message_id=row["message_id"], tenant=campaign["tenant"], waba_id=campaign["waba_id"],
            phone_number_id=campaign["phone_number_id"], recipient=row["to"],
            content={"type": "template", "template": content}, lane=Lane.BULK, created_at=now, expires_at=now + ttl,
            template=template, campaign_id=campaign["_id"], correlation_id=campaign["_id"],
        )  # fmt: skip

    async def _take_back(self, campaign: Document) -> bool:
        """Take back what is queued: to be queued anew when the campaign goes on, or for good where it was canceled.

        A message that is on its way may come back to the queue, so it is not over before nothing is queued. Where the
        campaign goes on already, once more is enough: what an earlier try left half done is found by it.
        """
        status = CampaignStatus(campaign["status"])
        canceled, running = status is CampaignStatus.CANCELED, status is CampaignStatus.RUNNING
        after = ""
        while rows := await self._recipients.in_state(campaign["_id"], RecipientState.QUEUED, BATCH, after):
            after = rows[-1]["_id"]
            if not await self._hold():
                raise LeaseInDoubt
            ids = [row["message_id"] for row in rows]
            back = await self._claims.take_back(campaign["tenant"], ids, self._clock.now())
            there = await self._messages.existing(campaign["tenant"], ids)
            mine = [row for row in rows if row["message_id"] in back or row["message_id"] not in there]
            moves = [
                Move(row["_id"], RecipientState.QUEUED, RecipientState.CANCELED, row["message_id"], gone=("unstored",))
                if canceled
                else once_more(row, RecipientState.QUEUED)
                for row in mine
            ]
            TAKEN_BACK.inc(await self._recipients.move(campaign, moves))
        if canceled and await self._give_up(campaign):
            return True
        if running or not await self._recipients.in_state(campaign["_id"], RecipientState.QUEUED, 1):
            done: Document = {"$unset": {"taking_back": ""} | ({} if running else {"work": ""})}
            await self._campaigns.move(campaign["tenant"], campaign["_id"], (status,), done)
        return running

    async def _give_up(self, campaign: Document) -> bool:
        """Cancel recipients who were not written to; -> whether there may be more."""
        rows = await self._recipients.in_state(campaign["_id"], RecipientState.PENDING, BATCH)
        moves = [Move(row["_id"], RecipientState.PENDING, RecipientState.CANCELED) for row in rows]
        await self._recipients.move(campaign, moves)
        return bool(rows)

    async def _pause(self, campaign: Document, reason: str) -> None:
        changes: Document = {"status": CampaignStatus.PAUSED.value, "pause_reason": reason}
        if reason != BUDGET_USED_UP:  # what is queued is within the budget
            changes["taking_back"] = True
        if await self._campaigns.move(
            campaign["tenant"], campaign["_id"], (CampaignStatus.RUNNING,), {"$set": changes}
        ):  # fmt: skip
            PAUSED.labels(reason).inc()
            log.warning("campaign_paused_itself", campaign_id=campaign["_id"], reason=reason)

    async def _complete(self, campaign: Document) -> None:
        changes = {"status": CampaignStatus.COMPLETED.value, "completed_at": self._clock.now()}
        await self._campaigns.move(
            campaign["tenant"], campaign["_id"], (CampaignStatus.RUNNING,), {"$set": changes, "$unset": {"work": ""}}
        )  # fmt: skip
        self._allowance.pop(campaign["_id"], None)


def _skip(row: Document, refusal: ApiError) -> Move:
    error = refusal.message_error().model_dump(exclude_none=True)
    gone = ("unstored", "message_id")
    return Move(row["_id"], RecipientState.QUEUED, RecipientState.SKIPPED, row["message_id"], {"error": error}, gone)
