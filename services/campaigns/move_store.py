"""How recipients move: rows, the campaign's cursor and the counters in one transaction, or not at all.

Counters are kept apart by who writes them (`shard`), so that fan-out and the readers of statuses do not wait for one
another; their sum is what is so at that instant.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pymongo import UpdateMany, UpdateOne

from libs.mongo.client import Mongo, Session, outages
from services.campaigns.money import Purse
from services.campaigns.recipient_store import COUNTS, RECIPIENTS
from services.campaigns.states import CampaignStatus, RecipientState, state_of
from services.campaigns.store import CAMPAIGNS
from services.campaigns.variants import Split

Document = dict[str, Any]
Counts = Counter[tuple[str | None, RecipientState]]  # by variant (None: all) and state


class CampaignMoved(Exception):
    """The campaign left the state that a unit of work needs: nothing of it was done."""


@dataclass(frozen=True, slots=True)
class Move:
    """A recipient's step from one state to another, in the round it is in, with what is written beside it."""

    row_id: str
    round: int
    before: RecipientState
    after: RecipientState
    fields: Mapping[str, Any] = field(default_factory=dict)
    gone: Sequence[str] = ()  # fields that are taken away


class RecipientMoves:
    """Adds and moves recipients of one campaign at a time. `shard` is whose counters these are."""

    def __init__(self, mongo: Mongo, shard: str) -> None:
        self._mongo = mongo
        self._shard = shard

    async def add(self, campaign: Document, rows: Sequence[Document]) -> int:
        """Add rows that are not there yet; -> how many were not. Raises CampaignMoved where it is no draft."""

        async def unit(session: Session) -> int:
            await self._touch(session, campaign, {"status": CampaignStatus.DRAFT.value})
            table = self._mongo.collection(RECIPIENTS)
            ids = [row["_id"] for row in rows]
            found = await table.find({"_id": {"$in": ids}}, {"_id": 1}, session=session).to_list(None)
            there = {row["_id"] for row in found}
            fresh = [row for row in rows if row["_id"] not in there]
            if fresh:
                await table.insert_many(fresh, ordered=False, session=session)
            split, counts = Split(campaign), Counts()
            for row in fresh:
                _count(counts, split, row["_id"], RecipientState.PENDING, 1)
            await self._write(session, campaign, counts)
            return len(fresh)

        return await self._mongo.transaction(unit)

    async def move(
        self, campaign: Document, moves: Sequence[Move], among: Sequence[CampaignStatus] | None = None
    ) -> int:
        """Move rows that are still where they were, with their counters; -> how many. Repeating it changes nothing.

        With `among` the campaign must be in one of these states and still in the round that `campaign` says, and no
        other unit moves it meanwhile; raises CampaignMoved where it is not so.
        """

        async def unit(session: Session) -> int:
            if among is None:
                now = await self._mongo.collection(CAMPAIGNS).find_one({"_id": campaign["_id"]}, session=session)
            else:
                statuses = {"$in": [status.value for status in among]}
                now = await self._touch(session, campaign, {"status": statuses, "round": campaign.get("round", 0)})
            return await self._apply(session, now, moves) if now is not None else 0

        return await self._mongo.transaction(unit) if moves else 0

    async def advance(
        self, campaign: Document, rows: Sequence[Document], later: Mapping[str, datetime], stored: str
    ) -> Document:
        """Move the cursor past these rows: all of them are queued then, but for those of `later`, who wait for a new
        round, which begins when the first of them may be written to. The messages of rows up to the id `stored` are in
        the ledger. -> the campaign after that.

        Raises CampaignMoved where it does not run any more, or its cursor is not where it was.
        """
        changes: Document = {"$set": {"cursor": rows[-1]["_id"], "stored": stored}}
        if later:
            changes["$min"] = {"next_round_at": min(later.values())}

        async def unit(session: Session) -> Document:
            moved = await self._touch(session, campaign, _where_it_was(campaign), changes)
            split, counts, purse, spent = Split(campaign), Counts(), Purse(campaign), 0
            for row in rows:
                if row["_id"] not in later:
                    _count(counts, split, row["_id"], RecipientState.PENDING, -1)
                    _count(counts, split, row["_id"], RecipientState.QUEUED, 1)
                    spent += purse.moved(row, RecipientState.PENDING, RecipientState.QUEUED)
            if later:
                await self._mongo.collection(RECIPIENTS).update_many(
                    {"_id": {"$in": list(later)}}, {"$set": {"round": campaign.get("round", 0) + 1}}, session=session
                )
            await self._write(session, campaign, counts, spent)
            return moved

        return await self._mongo.transaction(unit)

    async def begin_round(self, campaign: Document, number: int, now: datetime) -> None:
        """Begin a round. Raises CampaignMoved as `advance` does."""
        changes: Document = {
            "$set": {"round": number, "cursor": "", "stored": "", f"rounds.{number}": now},
            "$unset": {"next_round_at": ""},
        }
        if number == 0:
            changes["$set"]["launched_at"] = now
        with outages():
            done = await self._mongo.collection(CAMPAIGNS).update_one(
                {"_id": campaign["_id"]} | _where_it_was(campaign), changes
            )
        if not done.matched_count:
            raise CampaignMoved

    async def confirm(self, campaign: Document, upto: str) -> None:
        """Note that the messages of all up to this row, at most those whom the cursor has passed, are in the ledger."""
        query = {"_id": campaign["_id"]} | _where_it_was(campaign)
        with outages():
            await self._mongo.collection(CAMPAIGNS).update_one(query, {"$set": {"stored": upto}})

    async def _apply(self, session: Session, campaign: Document, moves: Sequence[Move]) -> int:
        ids = [move.row_id for move in moves]
        rows = self._mongo.collection(RECIPIENTS)
        purse = Purse(campaign)
        shown = {"state": 1, "round": 1, "forgotten": 1} | ({"to": 1} if purse.counts else {})
        found = await rows.find({"_id": {"$in": ids}}, shown, session=session).to_list(None)
        there = {row["_id"]: row for row in found}
        due = [
            move
            for move in moves
            if (row := there.get(move.row_id)) is not None
            and row["round"] == move.round
            and state_of(row, campaign) is move.before
            and not (move.after is RecipientState.PENDING and row.get("forgotten"))
        ]
        if due:
            await rows.bulk_write(_updates(due), ordered=False, session=session)
            split, counts, spent = Split(campaign), Counts(), 0
            for move in due:
                _count(counts, split, move.row_id, move.before, -1)
                _count(counts, split, move.row_id, move.after, 1)
                spent += purse.moved(there[move.row_id], move.before, move.after)
            await self._write(session, campaign, counts, spent)
            if again := sum(
                move.before is RecipientState.FAILED and move.after is RecipientState.PENDING for move in due
            ):  # a message that a budget counts
                await self._mongo.collection(CAMPAIGNS).update_one(
                    {"_id": campaign["_id"]}, {"$inc": {"written_again": again}}, session=session
                )
        return len(due)

    async def _touch(
        self, session: Session, campaign: Document, wanted: Document, changes: Document | None = None
    ) -> Document:
        """Change the campaign where it is as wanted, so that of two units one fails; -> it after that."""
        changes = (changes or {}) | {"$inc": {"units": 1}}
        moved: Document | None = await self._mongo.collection(CAMPAIGNS).find_one_and_update(
            {"_id": campaign["_id"]} | wanted, changes, session=session, return_document=True
        )
        if moved is None:
            raise CampaignMoved
        return moved

    async def _write(self, session: Session, campaign: Document, counts: Counts, spent: int = 0) -> None:
        changes = {
            f"counts.{state.value}" if variant is None else f"variants.{variant}.{state.value}": number
            for (variant, state), number in counts.items()
            if number
        } | ({"spent": spent} if spent else {})
        if changes:
            await self._mongo.collection(COUNTS).update_one(
                {"_id": f"{campaign['_id']}:{self._shard}"},
                {"$inc": changes, "$setOnInsert": {"campaign_id": campaign["_id"], "tenant": campaign["tenant"]}},
                upsert=True,
                session=session,
            )


def once_more(row: Document, before: RecipientState, campaign: Document) -> Move:
    """Return the step of a recipient who is to be written to in the campaign's next round."""
    fields = {"round": campaign.get("round", 0) + 1}
    return Move(row["_id"], row["round"], before, RecipientState.PENDING, fields, ("error",))


def _where_it_was(campaign: Document) -> Document:
    """Return the query for the campaign running, and its fan-out where this document says."""
    return {
        "status": CampaignStatus.RUNNING.value, "round": campaign.get("round", 0), "cursor": campaign.get("cursor", ""),
    }  # fmt: skip


def _count(counts: Counts, split: Split, row_id: str, state: RecipientState, number: int) -> None:
    counts[None, state] += number
    if (variant := split.counted_as(row_id)) is not None:
        counts[variant, state] += number


def _updates(moves: Sequence[Move]) -> list[UpdateOne | UpdateMany]:
    """Return the moves as writes: those that write the same are one."""
    alike: dict[tuple[RecipientState, int | None, tuple[str, ...]], list[str]] = defaultdict(list)
    updates: list[UpdateOne | UpdateMany] = []
    for move in moves:
        if set(move.fields) <= {"round"}:
            alike[move.after, move.fields.get("round"), tuple(move.gone)].append(move.row_id)
        else:
            updates.append(UpdateOne({"_id": move.row_id}, _change(move.after, move.fields, move.gone)))
    for (after, number, gone), ids in alike.items():
        change = _change(after, {} if number is None else {"round": number}, gone)
        updates.append(UpdateMany({"_id": {"$in": ids}}, change))
    return updates


def _change(after: RecipientState, fields: Mapping[str, Any], gone: Sequence[str]) -> Document:
    """Return what is written into a row. `queued` never is: a queued row is pending, and the cursor has passed it."""
    changes: Document = {"$set": {"state": after.value} | dict(fields)}
    return changes | ({"$unset": dict.fromkeys(gone, "")} if gone else {})
