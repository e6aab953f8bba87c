"""Sums, and per partition up to when its events are counted: one transaction moves both."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from pymongo import ASCENDING, IndexModel, UpdateOne

from libs.directory.reach import EVERYTHING as EVERYTHING_REACHED
from libs.directory.reach import Reach
from libs.kafka.record import Partition
from libs.mongo.client import Mongo, Session, outages
from libs.runtime.ids import derived_id
from services.analytics.buckets import Slice
from services.analytics.counting import EVERYTHING, NOTHING, PRICE, SHARED, Kind, Sums, place_of, rolled_up

SUMS, CHECKPOINTS = "analytics_sums", "analytics_checkpoints"

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
}  # fmt: skip

Document = dict[str, Any]


NUMBER = "phone_number_id"
TOTALS = ("attempted", "received", "messages")  # one of each kind of sums
MANY = 4  # days in part from which on all are read with their quarters: more than two are a whole zone's days


class Whose(NamedTuple):
    """A tenant's, as far as they are of numbers that are reached."""

    tenant: str
    reach: Reach = EVERYTHING_REACHED


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which sums are asked for: those that fit the filters, told apart by the things that they are grouped by."""

    whose: Whose
    kind: Kind
    filters: Mapping[str, str]
    groups: Sequence[str] = ()

    def query(self) -> Document:
        """Return where they are found: by one thing or nothing where that says enough, else by everything."""
        always = PRICE if self.kind is Kind.COST else ()
        numbers, filters = self.whose.reach.numbers, dict(self.filters)
        asked = (*self.filters, *self.groups, *(() if numbers is None else (NUMBER,)))
        things = list(dict.fromkeys(name for name in asked if name in SHARED and name not in always))
        if len(things) > 1:
            return self.whose.reach.by_number({"rollup": EVERYTHING} | filters)
        if numbers is not None:
            among = numbers & {filters.pop(NUMBER)} if NUMBER in filters else numbers
            return {"rollup": {"$in": [place_of(NUMBER, each) for each in sorted(among)]}} | filters
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

    async def enter(self, session: Session, ends: Mapping[Partition, datetime]) -> bool:
        """Begin a unit of work on partitions, and say up to when they are counted at its end; -> whether one is new.

        Of two units on one partition that do not see each other one is done again: both write its document.
        """
        writes = [
            UpdateOne({"_id": _name(it)}, {"$max": {"counted_at": at}, "$inc": {"units": 1}}, upsert=True)
            for it, at in ends.items()
        ]
        done = await self._mongo.collection(CHECKPOINTS).bulk_write(writes, ordered=False, session=session)
        return bool(done.upserted_count)

    async def enter_all(self, session: Session) -> None:
        """Begin a unit of work on everything that is counted."""
        await self._mongo.collection(CHECKPOINTS).update_many({}, {"$inc": {"units": 1}}, session=session)

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

    async def copy(self, layer: int, to: int, before: datetime) -> None:
        """Copy the sums of days before a day into another layer, where they are not."""
        table = self._mongo.collection(SUMS)
        with outages():
            async for row in table.find({"layer": layer, "day": {"$lt": before}}):
                row_id = derived_id(str(to), row["_id"])
                await table.replace_one({"_id": row_id}, row | {"_id": row_id, "layer": to}, upsert=True)

    async def drop_others(self, layers: Sequence[int]) -> None:
        """Delete all layers but these."""
        with outages():
            await self._mongo.collection(SUMS).delete_many({"layer": {"$nin": list(layers)}})

    async def totals(self, layer: int) -> Counter[str]:
        """Return what a layer counts in all, over tenants and days."""
        summed = {name: {"$sum": f"$n.{name}"} for name in TOTALS}
        steps: list[Document] = [{"$match": {"layer": layer, "rollup": NOTHING}}, {"$group": {"_id": None} | summed}]
        with outages():
            rows = await self._mongo.collection(SUMS).aggregate(steps).to_list(None)
        return Counter({name: rows[0][name] for name in TOTALS} if rows else {})

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
        query = {"tenant": wanted.whose.tenant, "layer": layer, "kind": wanted.kind.value} | wanted.query()
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

    async def knows_campaign(self, whose: Whose, campaign_id: str) -> bool:
        """Tell whether a message of a campaign was counted."""
        query = whose.reach.by_number({"tenant": whose.tenant, "campaign_id": campaign_id})
        with outages():
            row = await self._mongo.collection(SUMS).find_one(query, {"_id": 1})
        return row is not None


def _name(partition: Partition) -> str:
    return f"{partition[0]}:{partition[1]}"
