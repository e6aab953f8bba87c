"""Recipients in MongoDB: one row per campaign and person, and counters that move with them in one transaction.

Counters are kept apart by who writes them (`shard`), so that fan-out and the readers of statuses do not wait for one
another; their sum is what is so at that instant.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, IndexModel, UpdateOne

from libs.mongo.client import Mongo, Session, outages
from libs.runtime.ids import derived_id
from services.campaigns.states import CampaignStatus, RecipientState
from services.campaigns.store import CAMPAIGNS

RECIPIENTS = "campaign_recipients"
COUNTS = "campaign_counts"
INDEXES = {
    RECIPIENTS: [
        # Lists, and what is to do next: a state's rows in a fixed order.
        IndexModel([("campaign_id", ASCENDING), ("state", ASCENDING), ("_id", ASCENDING)], name="state"),
        IndexModel([("campaign_id", ASCENDING), ("_id", ASCENDING)], name="campaign"),
        IndexModel(
            [("message_id", ASCENDING)],
            name="message",
            unique=True,
            partialFilterExpression={"message_id": {"$exists": True}},
        ),
        # Rows whose message may not be in the ledger yet: a crash came in between.
        IndexModel(
            [("campaign_id", ASCENDING), ("unstored", ASCENDING)],
            name="unstored",
            partialFilterExpression={"unstored": True},
        ),
    ],
    COUNTS: [IndexModel([("campaign_id", ASCENDING)], name="campaign")],
}

Document = dict[str, Any]


class CampaignMoved(Exception):
    """The campaign left the state that a unit of work needs: nothing of it was done."""


@dataclass(frozen=True, slots=True)
class Move:
    """A recipient's step from one state to another, with what is written beside it."""

    row_id: str
    before: RecipientState
    after: RecipientState
    message_id: str | None = None  # where given, the row must carry it
    fields: Mapping[str, Any] | None = None
    gone: Sequence[str] = ()  # fields that are taken away


class RecipientStore:
    """Adds, finds and moves recipients of one campaign at a time."""

    def __init__(self, mongo: Mongo, shard: str) -> None:
        self._mongo = mongo
        self._shard = shard

    async def add(self, campaign: Document, rows: Sequence[Document]) -> int:
        """Add rows that are not there yet; -> how many were not. Raises CampaignMoved where it is no draft."""

        async def unit(session: Session) -> int:
            await self._touch(session, campaign, (CampaignStatus.DRAFT,))
            updates = [UpdateOne({"_id": row["_id"]}, {"$setOnInsert": row}, upsert=True) for row in rows]
            done = await self._mongo.collection(RECIPIENTS).bulk_write(updates, ordered=False, session=session)
            fresh = int(done.upserted_count)
            await self._count(session, campaign["_id"], campaign["tenant"], {RecipientState.PENDING: fresh})
            return fresh

        return await self._mongo.transaction(unit)

    async def move(
        self, campaign: Document, moves: Sequence[Move], among: Sequence[CampaignStatus] | None = None
    ) -> int:
        """Move rows that are still where they were, with their counters; -> how many. Repeating it changes nothing.

        Raises CampaignMoved where the campaign is in none of the states `among`.
        """

        async def unit(session: Session) -> int:
            if among is not None:
                await self._touch(session, campaign, among)
            ids = [move.row_id for move in moves]
            rows = self._mongo.collection(RECIPIENTS)
            found = await rows.find({"_id": {"$in": ids}}, {"state": 1, "message_id": 1}, session=session).to_list(None)
            there = {row["_id"]: row for row in found}
            due = [move for move in moves if (row := there.get(move.row_id)) is not None and _still(move, row)]
            if due:
                updates = [UpdateOne({"_id": move.row_id}, _changes(move)) for move in due]
                await rows.bulk_write(updates, ordered=False, session=session)
                counts: Counter[RecipientState] = Counter()
                for move in due:
                    counts[move.before] -= 1
                    counts[move.after] += 1
                await self._count(session, campaign["_id"], campaign["tenant"], counts)
            return len(due)

        return await self._mongo.transaction(unit) if moves else 0

    async def in_state(self, campaign_id: str, state: RecipientState, limit: int, after: str = "") -> list[Document]:
        """Return rows of a state in their fixed order, those after an id."""
        query = {"campaign_id": campaign_id, "state": state.value, "_id": {"$gt": after}}
        return await self._find(query, limit)

    async def unstored(self, campaign_id: str, limit: int) -> list[Document]:
        """Return queued rows whose message may not be in the ledger yet."""
        return await self._find({"campaign_id": campaign_id, "unstored": True}, limit)

    async def page(self, tenant: str, campaign_id: str, state: str | None, limit: int, after: str) -> list[Document]:
        """Return rows of a tenant's campaign in their fixed order."""
        query = {"campaign_id": campaign_id, "tenant": tenant, "_id": {"$gt": after}}
        return await self._find(query | ({"state": state} if state else {}), limit)

    async def of_messages(self, message_ids: Sequence[str]) -> list[Document]:
        """Return the rows that these messages are of."""
        return await self._find({"message_id": {"$in": list(message_ids)}}, len(message_ids))

    async def stored(self, rows: Sequence[Document]) -> None:
        """Note that the messages of these rows are in the ledger."""
        query = {"_id": {"$in": [row["_id"] for row in rows]}}
        with outages():
            await self._mongo.collection(RECIPIENTS).update_many(query, {"$unset": {"unstored": ""}})

    async def counts(self, campaign_ids: Sequence[str]) -> dict[str, dict[str, int]]:
        """Return campaign -> state -> how many, every state named; one read, so all of one instant."""
        with outages():
            rows = await self._mongo.collection(COUNTS).find({"campaign_id": {"$in": list(campaign_ids)}}).to_list(None)
        found = {
            campaign_id: dict.fromkeys((state.value for state in RecipientState), 0) for campaign_id in campaign_ids
        }
        for row in rows:
            for state, number in row["counts"].items():
                found[row["campaign_id"]][state] += number
        return found

    async def errors(self, tenant: str, campaign_id: str, most: int) -> list[Document]:
        """Return the codes that recipients failed or were skipped with, the most frequent first."""
        with outages():
            rows: list[Document] = await self._mongo.collection(RECIPIENTS).aggregate([
                {"$match": {"campaign_id": campaign_id, "tenant": tenant, "state": {"$in": ["failed", "skipped"]}}},
                {"$group": {"_id": "$error.code", "count": {"$sum": 1}}},
                {"$sort": {"count": -1, "_id": 1}},
                {"$limit": most},
            ]).to_list(None)  # fmt: skip
        return rows

    async def forget(self, campaign_id: str) -> None:
        """Delete all rows of a campaign that is gone."""
        with outages():
            await self._mongo.collection(RECIPIENTS).delete_many({"campaign_id": campaign_id})
            await self._mongo.collection(COUNTS).delete_many({"campaign_id": campaign_id})

    async def _find(self, query: Document, limit: int) -> list[Document]:
        with outages():
            cursor = self._mongo.collection(RECIPIENTS).find(query).sort("_id", ASCENDING).limit(limit)
            rows: list[Document] = await cursor.to_list(None)
        return rows

    async def _touch(self, session: Session, campaign: Document, among: Sequence[CampaignStatus]) -> None:
        """Make the unit of work fail where somebody moves the campaign meanwhile."""
        query = {"_id": campaign["_id"], "status": {"$in": [status.value for status in among]}}
        done = await self._mongo.collection(CAMPAIGNS).update_one(query, {"$inc": {"units": 1}}, session=session)
        if not done.matched_count:
            raise CampaignMoved

    async def _count(
        self, session: Session, campaign_id: str, tenant: str, counts: Mapping[RecipientState, int]
    ) -> None:
        changes = {f"counts.{state.value}": number for state, number in counts.items() if number}
        if changes:
            await self._mongo.collection(COUNTS).update_one(
                {"_id": f"{campaign_id}:{self._shard}"},
                {"$inc": changes, "$setOnInsert": {"campaign_id": campaign_id, "tenant": tenant}},
                upsert=True,
                session=session,
            )


def row_id(campaign_id: str, person: str) -> str:
    """Return the one id of a person in a campaign; `person` is who they are, however their number was typed."""
    return derived_id("recipient", campaign_id, person)


def new_row(campaign: Document, person: str, to: str, components: list[Document] | None, now: datetime) -> Document:
    """Return a recipient to add."""
    row = {
        "_id": row_id(campaign["_id"], person), "campaign_id": campaign["_id"], "tenant": campaign["tenant"],
        "to": to, "state": RecipientState.PENDING.value, "round": 0, "added_at": now,
    }  # fmt: skip
    return row | ({"components": components} if components is not None else {})


def _still(move: Move, row: Document) -> bool:
    return row["state"] == move.before.value and (move.message_id is None or row.get("message_id") == move.message_id)


def _changes(move: Move) -> Document:
    changes: Document = {"$set": {"state": move.after.value} | dict(move.fields or {})}
    if move.gone:
        changes["$unset"] = dict.fromkeys(move.gone, "")
    return changes
