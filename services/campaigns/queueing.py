"""Queueing: recipients become messages in the ledger, and the sender is told. Repeating it changes nothing."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import structlog

from libs.events.messages import Lane
from libs.kafka.bus import Bus, BusUnavailable
from libs.kafka.events import outgoing
from libs.ledger.intake import Intake, Stored
from libs.ledger.reader import MessageReader
from libs.ledger.record import OutboundDraft, wake_up
from libs.observability import tracing
from libs.runtime.clock import Clock
from libs.web.errors import ApiError
from services.campaigns.metrics import QUEUED
from services.campaigns.move_store import Move, RecipientMoves
from services.campaigns.states import RecipientState, message_id_in_round
from services.campaigns.variants import Split, Variant

DEFAULT_TTL = timedelta(hours=24)
TELL_FOR = 5.0  # seconds: wake-ups that take longer are left to the sweeper

Document = dict[str, Any]
log = structlog.get_logger()


class Queueing:
    """Stores the messages of recipients whom fan-out came past."""

    def __init__(self, moves: RecipientMoves, intake: Intake, messages: MessageReader, bus: Bus, clock: Clock) -> None:
        self._messages = messages
        self._moves = moves
        self._intake = intake
        self._bus = bus
        self._clock = clock

    async def store(self, campaign: Document, rows: Sequence[Document]) -> None:
        """Put messages into the ledger, skip who may not be written to, leave out who is held out, wake the sender.

        Raises MongoUnavailable and OutcomeUnknown; it may be called again with the same rows then.
        """
        split = Split(campaign)
        chosen = [(row, split.of(row["_id"])) for row in rows]
        moves = [_held_out(row) for row, variant in chosen if variant is None]
        written = [(row, variant) for row, variant in chosen if variant is not None]
        results = await self._intake.accept_all([self._draft(campaign, row, variant) for row, variant in written])
        stored = [it for it in results if isinstance(it, Stored)]
        refused: list[tuple[Document, ApiError]] = []
        for (row, _), it in zip(written, results, strict=True):
            if isinstance(it, ApiError):
                refused.append((row, it))
            elif not isinstance(it, Stored):
                raise it
        await self._moves.move(campaign, moves + await self._skipped(campaign, refused))
        QUEUED.inc(sum(not it.replayed for it in stored))
        await self._wake(campaign, stored)

    async def _skipped(self, campaign: Document, refused: Sequence[tuple[Document, ApiError]]) -> list[Move]:
        """Return the steps of those who may not be written to, but for who was already, and opted out since."""
        ids = {row["_id"]: message_id_in_round(row, campaign) for row, _ in refused}
        there = await self._messages.existing(campaign["tenant"], list(ids.values())) if ids else set()
        return [_skipped(row, it) for row, it in refused if ids[row["_id"]] not in there]

    async def _wake(self, campaign: Document, stored: Sequence[Stored]) -> None:
        now = self._clock.now()
        due = [outgoing(wake_up(it.document, source="campaigns", now=now)) for it in stored]
        try:
            await self._bus.publish_many(due, timeout=TELL_FOR)
        except BusUnavailable:
            log.info("wake_ups_left_to_the_sweeper", campaign_id=campaign["_id"], messages=len(due))

    def _draft(self, campaign: Document, row: Document, variant: Variant) -> OutboundDraft:
        template, now = variant.template, self._clock.now()
        content: Document = {"name": template["name"], "language": {"code": template["language"]}}
        if components := row.get("components", variant.components):
            content["components"] = components
        ttl = timedelta(seconds=campaign["ttl"]) if campaign.get("ttl") else DEFAULT_TTL
        message_id = message_id_in_round(row, campaign)
        about = {
            "wabus.message_id": message_id, "wabus.tenant": campaign["tenant"], "wabus.campaign_id": campaign["_id"],
        }  # fmt: skip
        return OutboundDraft(
            message_id=message_id, tenant=campaign["tenant"], waba_id=campaign["waba_id"],
            phone_number_id=campaign["phone_number_id"], recipient=row["to"],
            content={"type": "template", "template": content}, lane=Lane.BULK, created_at=now, expires_at=now + ttl,
            template=template, campaign_id=campaign["_id"], correlation_id=campaign["_id"],
            needs_consent=bool(campaign.get("require_consent")),
            extra={"campaign_recipient_id": row["_id"], "campaign_round": row["round"]},
            trace=tracing.step("queue message of campaign", "internal", None, about, root=True),
        )  # fmt: skip


def _held_out(row: Document) -> Move:
    return Move(row["_id"], row["round"], RecipientState.QUEUED, RecipientState.HELD_OUT)


def _skipped(row: Document, refusal: ApiError) -> Move:
    error = refusal.message_error().model_dump(exclude_none=True)
    return Move(row["_id"], row["round"], RecipientState.QUEUED, RecipientState.SKIPPED, {"error": error})
