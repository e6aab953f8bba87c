"""Sums, cost lines, billing conversations, and the checkpoints that say up to where they are counted: one transaction
moves them together.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel, UpdateOne

from libs.kafka.record import Partition
from libs.mongo.client import Mongo, Session, outages
from libs.runtime.ids import derived_id
from services.analytics.buckets import Slice
from services.analytics.counting import EVERYTHING, NOTHING, PRICE, SHARED, Kind, Sums, place_of, rolled_up

SUMS, LINES, BILLING, CHECKPOINTS = (
    "analytics_sums", "cost_lines", "billing_conversations", "analytics_checkpoints",
)  # fmt: skip

INDEXES = {
    SUMS: [
        IndexModel(
            [(name, ASCENDING) for name in ("tenant", "layer", "kind", "rollup", "day")], name="rollup"
        ),
        IndexModel(
            [("tenant", ASCENDING), ("campaign_id", ASCENDING), ("kind", ASCENDING)], name="by_campaign",
            partialFilterExpression={"campaign_id": {"$type": "string"}},
        ),
    ],
    LINES: [
        IndexModel([("tenant", ASCENDING), ("at", DESCENDING), ("_id", DESCENDING)], name="newest"),
        IndexModel([("message_id", ASCENDING)], name="of_message"),
    ],
    BILLING: [
        IndexModel([("tenant", ASCENDING), ("at", DESCENDING), ("_id", DESCENDING)], name="newest"),
        IndexModel([("opened_by", ASCENDING)], name="opened_by"),
    ],
}  # fmt: skip

CORRECTS = "corrects"  # on a line that is to be booked: whether it replaces the message's last one

Document = dict[str, Any]


MANY = 4  # days in part from which on all are read with their quarters: more than two are a whole zone's days


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which sums are asked for: those that fit the filters, told apart by the things that they are grouped by."""

    tenant: str
    kind: Kind
    filters: Mapping[str, str]
    groups: Sequence[str] = ()

    def query(self) -> Document:
        """Return where they are found: by one thing or nothing where that says enough, else by everything."""
        always = PRICE if self.kind is Kind.COST else ()
        things = list(
            dict.fromkeys(name for name in (*self.filters, *self.groups) if name in SHARED and name not in always)
        )
        filters = dict(self.filters)
        if len(things) > 1:
            return {"rollup": EVERYTHING} | filters
        if not things:
            return {"rollup": NOTHING} | filters
        if things[0] in filters:
            return {"rollup": place_of(things[0], filters.pop(things[0]))} | filters
        beginning = place_of(things[0], None)
        return {"rollup": {"$gte": beginning, "$lt": beginning[:-1] + ">"}} | filters


class SumsStore:
    """Writes within units of work, reads outside. All raise MongoUnavailable."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def checkpoints(self, session: Session, partitions: Sequence[Partition]) -> dict[Partition, int]:
        """Return up to which offset each partition is counted, -1 where nothing is."""
        ids = [_name(it) for it in partitions]
        rows = await self._mongo.collection(CHECKPOINTS).find({"_id": {"$in": ids}}, session=session).to_list(None)
        offsets = {row["_id"]: row.get("offset", -1) for row in rows}
        return {it: offsets.get(_name(it), -1) for it in partitions}

    async def advance(self, session: Session, ends: Mapping[Partition, tuple[int, datetime]]) -> None:
        """Move checkpoints to an offset, and to the time of its record."""
        writes = [
            UpdateOne({"_id": _name(it)}, {"$set": {"offset": offset}, "$max": {"counted_at": at}}, upsert=True)
            for it, (offset, at) in ends.items()
        ]
        if writes:
            await self._mongo.collection(CHECKPOINTS).bulk_write(writes, ordered=False, session=session)

    async def add(self, session: Session, layer: int, sums: Sums) -> None:
        """Add to the sums of a layer."""
        increments: dict[Any, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for (key, quarter, measure), count in rolled_up(sums).items():
            increments[key][f"n.{measure}"] += count
            increments[key][f"q.{quarter}.{measure}"] += count
        writes = []
        for key, its in increments.items():
            of = {name: value for name, value in key.of if value is not None}
            fields = {
                "layer": layer,
                "kind": key.kind.value,
                "tenant": key.tenant,
                "rollup": key.rollup,
                "day": key.day,
            }
            row_id = derived_id(str(layer), key.kind.value, key.tenant, key.day.isoformat(), key.rollup, repr(key.of))
            writes.append(
                UpdateOne(
                    {"_id": row_id}, {"$inc": dict(its), "$setOnInsert": fields | {"day": key.day} | of}, upsert=True
                )
            )
        if writes:
            await self._mongo.collection(SUMS).bulk_write(writes, ordered=False, session=session)

    async def book(self, session: Session, lines: Sequence[Document]) -> None:
        """Add cost lines; one that corrects (`CORRECTS`) gets the id of the line that it replaces."""
        written = []
        for line in lines:
            line = dict(line)
            if line.pop(CORRECTS):
                rows = self._mongo.collection(LINES).find({"message_id": line["message_id"]}, session=session)
                last = await rows.sort([("booked_at", DESCENDING), ("_id", DESCENDING)]).limit(1).to_list(None)
                line["replaces"] = last[0]["_id"] if last else None
            written.append(line)
        if written:
            await self._mongo.collection(LINES).insert_many(written, session=session)

    async def forget_who(self, message_ids: Sequence[str]) -> None:
        """Take Meta's ids, which hold people's numbers, out of the lines of messages."""
        with outages():
            await self._mongo.collection(LINES).update_many(
                {"message_id": {"$in": list(message_ids)}}, {"$unset": {"wamid": ""}}
            )

    async def open_billing(self, session: Session, rows: Sequence[Document]) -> set[str]:
        """Add billing conversations that are not known; -> the ids of those that were not."""
        if not rows:
            return set()
        table, ids = self._mongo.collection(BILLING), [row["_id"] for row in rows]
        found = await table.find({"_id": {"$in": ids}}, {"_id": 1}, session=session).to_list(None)
        fresh = {row["_id"]: row for row in reversed(rows) if row["_id"] not in {it["_id"] for it in found}}
        if fresh:
            await table.insert_many(list(fresh.values()), session=session)
        return set(fresh)

    async def opened_by(self, session: Session, message_ids: Sequence[str]) -> set[str]:
        """Return which of these messages opened a billing conversation."""
        rows = self._mongo.collection(BILLING).find({"opened_by": {"$in": list(message_ids)}}, session=session)
        return {row["opened_by"] for row in await rows.to_list(None)}

    async def copy(self, layer: int, to: int, before: datetime) -> None:
        """Copy the sums of days before a day into another layer, where they are not."""
        table = self._mongo.collection(SUMS)
        with outages():
            async for row in table.find({"layer": layer, "day": {"$lt": before}}):
                row_id = derived_id(str(to), row["_id"])
                await table.replace_one({"_id": row_id}, row | {"_id": row_id, "layer": to}, upsert=True)

    async def drop(self, layer: int) -> None:
        """Delete a layer."""
        with outages():
            await self._mongo.collection(SUMS).delete_many({"layer": layer})

    async def caught_up(self, partitions: Sequence[Partition], at: datetime) -> None:
        """Note that everything that these partitions held at a time is counted."""
        writes = [UpdateOne({"_id": _name(it)}, {"$max": {"counted_at": at}}, upsert=True) for it in partitions]
        if writes:
            with outages():
                await self._mongo.hasty(CHECKPOINTS).bulk_write(writes, ordered=False)

    async def as_of(self) -> datetime | None:
        """Return the time up to which everything is counted, None where nobody can say yet."""
        with outages():
            rows = await self._mongo.collection(CHECKPOINTS).find({}, {"counted_at": 1}).to_list(None)
        times = [row.get("counted_at") for row in rows]
        return min(time for time in times if time is not None) if times and None not in times else None

    async def sums(self, wanted: Wanted, layer: int, days: Sequence[Slice]) -> list[Document]:
        """Return the documents of days, or of all where none is named, with their quarters where a day is not whole."""
        query = {"tenant": wanted.tenant, "layer": layer, "kind": wanted.kind.value} | wanted.query()
        parts = [day.day for day in days if not day.whole]
        table = self._mongo.collection(SUMS)
        with outages():
            if days:
                within = {"$gte": days[0].day, "$lte": days[-1].day}
                rows = await table.find(query | {"day": within}, {"q": 0} if len(parts) < MANY else None).to_list(None)
            else:
                rows = await table.find(query, {"q": 0}).to_list(None)
            if days and 0 < len(parts) < MANY:
                rows = [row for row in rows if row["day"] not in parts]
                rows += await table.find(query | {"day": {"$in": parts}}).to_list(None)
        return rows

    async def knows_campaign(self, tenant: str, campaign_id: str) -> bool:
        """Tell whether a message of a campaign was counted."""
        with outages():
            row = await self._mongo.collection(SUMS).find_one(
                {"tenant": tenant, "campaign_id": campaign_id}, {"_id": 1}
            )
        return row is not None

    async def newest(
        self, table: str, tenant: str, query: Mapping[str, Any], limit: int, after: str | None
    ) -> list[Document]:
        """Return up to `limit` cost lines or billing conversations, newest first, after one of them."""
        wanted: Document = {"tenant": tenant} | dict(query)
        rows = self._mongo.collection(table)
        with outages():
            if after is not None:
                last = await rows.find_one({"_id": after, "tenant": tenant}, {"at": 1})
                if last is None:
                    return []
                beyond = [{"at": {"$lt": last["at"]}}, {"at": last["at"], "_id": {"$lt": after}}]
                wanted = {"$and": [wanted, {"$or": beyond}]}
            found: list[Document] = (
                await rows.find(wanted).sort([("at", DESCENDING), ("_id", DESCENDING)]).limit(limit).to_list(None)
            )
        return found


def _name(partition: Partition) -> str:
    return f"{partition[0]}:{partition[1]}"
