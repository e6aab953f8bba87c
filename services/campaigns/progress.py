"""Progress: statuses of a campaign's messages move its recipients, and with them the counters."""

from collections.abc import Sequence
from typing import Any

from libs.events.messages import MessageStatus, MessageStatusChanged
from libs.kafka.batches import Rejected
from libs.kafka.errors import Poison
from libs.kafka.events import read_event
from libs.kafka.record import Record
from libs.ledger.reader import MessageReader
from services.campaigns.metrics import MOVED
from services.campaigns.move_store import Move, RecipientMoves
from services.campaigns.recipient_store import RecipientStore
from services.campaigns.states import RecipientState, state_after

MARK = b'"campaign_recipient_id":"'  # in the value of an event that has one: of all others not even the body is read

Document = dict[str, Any]


class Progress:
    """Handles batches of `messages.status.v1`. A repeat, or an event of a message given up, changes nothing."""

    def __init__(self, recipients: RecipientStore, moves: RecipientMoves, messages: MessageReader) -> None:
        self._recipients = recipients
        self._moves = moves
        self._messages = messages

    async def take(self, records: Sequence[Record]) -> Sequence[Rejected]:
        """Move recipients; -> the records that cannot be read, to be buried while their siblings go on."""
        events: list[MessageStatusChanged] = []
        rejected: list[Rejected] = []
        for record in records:
            if record.value is not None and MARK not in record.value:
                continue
            try:
                events.append(read_event(record, MessageStatusChanged)[1])
            except Poison as poison:
                rejected.append(Rejected(record, poison.reason, poison.error))
        if events:
            await self._apply(events)
        return rejected

    async def _apply(self, events: Sequence[MessageStatusChanged]) -> None:
        canceled = [it.message_id for it in events if it.status is MessageStatus.CANCELED]
        taken_back = await self._messages.taken_back(canceled) if canceled else set()
        said: dict[tuple[str | None, int | None], list[MessageStatusChanged]] = {}
        for event in events:
            if event.status is not MessageStatus.CANCELED or event.message_id not in taken_back:
                said.setdefault((event.campaign_recipient_id, event.campaign_round), []).append(event)
        rows = await self._recipients.rows(list({row_id for row_id, _ in said if row_id is not None}))
        moves: dict[str, tuple[Document, list[Move]]] = {}
        for row in rows:
            if (move := _move(row, said.get((row["_id"], row["round"]), ()))) is not None:
                campaign = {"_id": row["campaign_id"], "tenant": row["tenant"]}
                moves.setdefault(row["campaign_id"], (campaign, []))[1].append(move)
        for campaign, its_moves in moves.values():
            await self._moves.move(campaign, its_moves)
            for move in its_moves:
                MOVED.labels(move.after.value).inc()


def _move(row: Document, events: Sequence[MessageStatusChanged]) -> Move | None:
    """Return the step that the furthest of these events makes the recipient take.

    Who has a message in the round of the row is queued at least: fan-out came past before the message was stored.
    """
    stored = RecipientState(row["state"])
    before: RecipientState = RecipientState.QUEUED if stored is RecipientState.PENDING else stored
    state = before
    furthest: MessageStatusChanged | None = None
    for event in events:
        if (reached := state_after(state, event.status)) is not None:
            state, furthest = reached, event
    if furthest is None:
        return None
    fields: Document = {}
    if state is RecipientState.FAILED and furthest.error is not None:
        fields["error"] = furthest.error.model_dump(exclude_none=True)
    gone = ("error",) if before is RecipientState.FAILED else ()
    return Move(row["_id"], row["round"], before, state, fields, gone)
