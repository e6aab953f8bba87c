"""A page of what analytics keeps in the order of time, newest first."""

from collections.abc import Callable, Mapping
from typing import Any

from pymongo import DESCENDING

from libs.mongo.client import Mongo, outages
from libs.web.errors import wrong

Document = dict[str, Any]


async def newest(
    mongo: Mongo, table: str, by: str, tenant: str, query: Mapping[str, Any], limit: int, after: str | None,
    narrowed: Callable[[Document], Document],
) -> list[Document]:  # fmt: skip
    """Return up to `limit` of a tenant's documents, the latest `by` first, after one of them.

    `narrowed` makes a query one for as much of them as is reached.

    Raises Invalid where `after` is none of them, and MongoUnavailable.
    """
    wanted: Document = {"tenant": tenant} | dict(query)
    rows = mongo.collection(table)
    with outages():
        if after is not None:
            last = await rows.find_one(narrowed({"_id": after, "tenant": tenant}), {by: 1})
            if last is None:
                raise wrong("starting_after", "Must be the id of the last entry of the page before.")
            beyond = [{by: {"$lt": last[by]}}, {by: last[by], "_id": {"$lt": after}}]
            wanted = {"$and": [wanted, {"$or": beyond}]}
        cursor = rows.find(narrowed(wanted)).sort([(by, DESCENDING), ("_id", DESCENDING)]).limit(limit)
        found: list[Document] = await cursor.to_list(None)
    return found
