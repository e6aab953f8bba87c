"""Recipients in MongoDB: one row per campaign and person. How they move is in `move_store`.

A row that waits is only told from one that is queued by the campaign's cursor: to put a million people into the ledger
not one of their rows is written.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, IndexModel

from libs.mongo.client import Mongo, outages
from libs.runtime.ids import derived_id
from services.campaigns.states import RecipientState

RECIPIENTS = "campaign_recipients"
COUNTS = "campaign_counts"
INDEXES = {
    RECIPIENTS: [
        # What is to do next, and lists of a state: round by round, each in a fixed order.
        IndexModel(
            [("campaign_id", ASCENDING), ("state", ASCENDING), ("round", ASCENDING), ("_id", ASCENDING)], name="state"
        ),
        IndexModel([("campaign_id", ASCENDING), ("_id", ASCENDING)], name="campaign"),
    ],
    COUNTS: [IndexModel([("campaign_id", ASCENDING)], name="campaign")],
}
_ORDER = [("round", ASCENDING), ("_id", ASCENDING)]
FIRST = (-1, "")  # before every row

Document = dict[str, Any]
Place = tuple[int, str]  # a row's round and id: rows are gone through in this order


class RecipientStore:
    """Finds recipients of one campaign at a time, and counts them."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def in_state(
        self, campaign: Document, state: RecipientState, limit: int, after: Place = FIRST
    ) -> list[Document]:
        """Return rows of a state in the order of rounds and ids, those after a place."""
        query: Document = {"campaign_id": campaign["_id"], "tenant": campaign["tenant"]}
        cursor: Place = (campaign.get("round", 0), campaign.get("cursor", ""))
        if state is RecipientState.PENDING:
            query |= {"state": state.value, "$or": _between(max(after, cursor), None)}
        elif state is RecipientState.QUEUED:
            query |= {"state": RecipientState.PENDING.value, "$or": _between(after, cursor)}
        else:
            query |= {"state": state.value, "$or": _between(after, None)}
        return await self._find(query, limit, _ORDER)

    async def waiting(self, campaign: Document, limit: int) -> list[Document]:
        """Return what fan-out comes to next in the campaign's round."""
        return await self._find(_waits(campaign, {"$gt": campaign.get("cursor", "")}), limit, _ORDER)

    async def unconfirmed(self, campaign: Document, limit: int) -> list[Document]:
        """Return queued rows of the campaign's round whose messages may not be in the ledger yet."""
        between = {"$gt": campaign.get("stored", ""), "$lte": campaign.get("cursor", "")}
        return await self._find(_waits(campaign, between), limit, _ORDER)

    async def page(self, campaign: Document, limit: int, after: str) -> list[Document]:
        """Return rows of a campaign in the order of their ids."""
        query = {"campaign_id": campaign["_id"], "tenant": campaign["tenant"], "_id": {"$gt": after}}
        return await self._find(query, limit, [("_id", ASCENDING)])

    async def place(self, campaign: Document, row_id: str) -> Place:
        """Return where a row stands among the rounds; the first place of all where it is not there."""
        query = {"_id": row_id, "tenant": campaign["tenant"], "campaign_id": campaign["_id"]}
        rows = await self._find(query, 1, _ORDER)
        return (rows[0]["round"], row_id) if rows else (0, row_id)

    async def rows(self, row_ids: Sequence[str]) -> list[Document]:
        """Return rows by their ids, whatever their campaign."""
        return await self._find({"_id": {"$in": list(row_ids)}}, len(row_ids), [("_id", ASCENDING)])

    async def erase(self, row_ids: Sequence[str]) -> None:
        """Take away who these recipients are, but for those who wait or are queued."""
        query = {"_id": {"$in": list(row_ids)}, "state": {"$ne": RecipientState.PENDING.value}}
        with outages():
            await self._mongo.collection(RECIPIENTS).update_many(
                query, {"$set": {"forgotten": True}, "$unset": {"to": "", "components": ""}}
            )

    async def next_round(self, campaign: Document) -> int | None:
        """Return the next round after the campaign's own that has somebody waiting, None where there is none."""
        query = {
            "tenant": campaign["tenant"], "campaign_id": campaign["_id"], "state": RecipientState.PENDING.value,
            "round": {"$gt": campaign.get("round", 0)},
        }  # fmt: skip
        rows = await self._find(query, 1, _ORDER)
        return int(rows[0]["round"]) if rows else None

    async def counts(self, campaign_ids: Sequence[str]) -> dict[str, dict[str, int]]:
        """Return campaign -> state -> how many, every state named; one read, so all of one instant."""
        return {campaign_id: found[None] for campaign_id, found in (await self.split_counts(campaign_ids)).items()}

    async def split_counts(self, campaign_ids: Sequence[str]) -> dict[str, dict[str | None, dict[str, int]]]:
        """Return campaign -> variant (None: all of them) -> state -> how many."""
        with outages():
            rows = await self._mongo.collection(COUNTS).find({"campaign_id": {"$in": list(campaign_ids)}}).to_list(None)
        found: dict[str, dict[str | None, dict[str, int]]] = {each: {None: _none()} for each in campaign_ids}
        for row in rows:
            of = found[row["campaign_id"]]
            for state, number in row.get("counts", {}).items():
                of[None][state] += number
            for variant, counts in row.get("variants", {}).items():
                for state, number in counts.items():
                    of.setdefault(variant, _none())[state] += number
        return found

    async def spent(self, campaign_id: str) -> int:
        """Return what those who were written to cost, in millionths, where the campaign has a budget of money."""
        with outages():
            rows = await self._mongo.collection(COUNTS).find({"campaign_id": campaign_id}, {"spent": 1}).to_list(None)
        return sum(row.get("spent", 0) for row in rows)

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

    async def _find(self, query: Document, limit: int, order: list[tuple[str, int]]) -> list[Document]:
        with outages():
            cursor = self._mongo.collection(RECIPIENTS).find(query).sort(order).limit(limit)
            rows: list[Document] = await cursor.to_list(None)
        return rows


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


def _waits(campaign: Document, ids: Document) -> Document:
    """Return the query for rows of the campaign's round that are not written to yet, with these ids."""
    return {
        "tenant": campaign["tenant"], "campaign_id": campaign["_id"], "state": RecipientState.PENDING.value,
        "round": campaign.get("round", 0), "_id": ids,
    }  # fmt: skip


def _between(after: Place, upto: Place | None) -> list[Document]:
    """Return the alternatives of a query for rows after a place, up to another one where it is given."""
    if upto is not None and after >= upto:
        return [{"round": {"$lt": 0}}]  # nothing is
    (first, first_id), last = after, upto[0] if upto is not None else None
    if upto is not None and last == first:
        return [{"round": first, "_id": {"$gt": first_id, "$lte": upto[1]}}]
    rounds: Document = {"$gt": first} | ({"$lt": last} if last is not None else {})
    found: list[Document] = [{"round": first, "_id": {"$gt": first_id}}, {"round": rounds}]
    return found + ([{"round": last, "_id": {"$lte": upto[1]}}] if upto is not None else [])


def _none() -> dict[str, int]:
    return dict.fromkeys((state.value for state in RecipientState), 0)
