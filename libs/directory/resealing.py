"""Encrypts all that is kept encrypted anew, with the first key of the ring, while the services run.

A text is replaced only while it is still the one that was read: who changes or forgets it at the same moment wins.
Nothing notes how far it came: what is not encrypted with the first key is what is left to do.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pymongo import ASCENDING, UpdateOne

from libs.directory.sealed import Document, Sealed
from libs.directory.vault import CannotDecrypt, Vault, key_id_of
from libs.mongo.client import Mongo, outages

BATCH = 500  # documents: a few milliseconds of MongoDB's time
PASSES = 5  # over what was changed by others meanwhile; they use the first key too, so the second finds nothing

Report = Callable[[str], None]


@dataclass(slots=True)
class Found:
    """What lies in one place: texts by the id of their key, and the ids under which the ring has another key."""

    place: str
    by_key: Counter[str]
    unreadable: set[str] = field(default_factory=set)


class Resealing:
    """Counts and re-encrypts the texts of all places. All raise MongoUnavailable."""

    def __init__(self, mongo: Mongo, vault: Vault, places: Sequence[Sealed]) -> None:
        self._mongo = mongo
        self._vault = vault
        self._places = places

    async def found(self) -> list[Found]:
        """Count what lies where, and try one text of each kind."""
        return [await self._look(place) for place in self._places]

    async def rotate(self, report: Report) -> int:
        """Encrypt anew what is not encrypted with the first key, and can be read; -> how many texts."""
        changed = 0
        for place in self._places:
            for _ in range(PASSES):
                done, missed = await self._pass(place, report)
                changed += done
                if not missed:
                    break
        return changed

    async def _pass(self, place: Sealed, report: Report) -> tuple[int, int]:
        """Go once through a place; -> how many texts were changed, and how many somebody else had changed before."""
        others, last, done, missed = place.not_sealed_with(_begins(self._vault.current)), None, 0, 0
        collection = self._mongo.collection(place.collection)
        while True:
            query = others if last is None else {"$and": [others, {"_id": {"$gt": last}}]}
            with outages():
                rows: list[dict[str, Any]] = (
                    await collection.find(query, _shown(place)).sort("_id", ASCENDING).limit(BATCH).to_list(None)
                )
            if not rows:
                return done, missed
            last = rows[-1]["_id"]
            if updates := [update for row in rows for update in self._updates(place, row)]:
                with outages():
                    result = await collection.bulk_write(updates, ordered=False)
                done += result.modified_count
                missed += len(updates) - result.matched_count
                report(f"{place.name}: {done} encrypted anew")

    def _updates(self, place: Sealed, row: Document) -> list[UpdateOne]:
        tenant, name = place.tenant(row), place.field(row)
        updates = []
        for text in place.texts(row):
            if self._vault.is_current(text):
                continue
            try:
                fresh = self._vault.encrypt(tenant, name, self._vault.decrypt(tenant, name, text))
            except CannotDecrypt:
                continue  # left as it is: with the right key on the ring it can still be read
            still_there, path = place.replacing(text)
            updates.append(UpdateOne({"_id": row["_id"], **still_there}, {"$set": {path: fresh}}))
        return updates

    async def _look(self, place: Sealed) -> Found:
        first = place.path.partition(".")[0]
        steps: list[dict[str, Any]] = [{"$unwind": f"${first}"}] if place.many else []
        key_id = {"$arrayElemAt": [{"$split": [f"${place.path}", ":"]}, 0]}
        steps += [{"$match": {place.path: {"$gt": ""}}}, {"$group": {"_id": key_id, "count": {"$sum": 1}}}]
        with outages():
            rows = await self._mongo.collection(place.collection).aggregate(steps).to_list(None)
        found = Found(place.name, Counter({str(row["_id"]): int(row["count"]) for row in rows}))
        for known in set(found.by_key) & set(self._vault.key_ids):
            if not await self._opens(place, known):
                found.unreadable.add(known)
        return found

    async def _opens(self, place: Sealed, key_id: str) -> bool:
        with outages():
            row = await self._mongo.collection(place.collection).find_one(
                place.sealed_with(_begins(key_id)), _shown(place)
            )
        texts = [] if row is None else [text for text in place.texts(row) if key_id_of(text) == key_id]
        try:
            for text in texts:
                self._vault.decrypt(place.tenant(row or {}), place.field(row or {}), text)
        except CannotDecrypt:
            return False
        return True


def _begins(key_id: str) -> str:
    return f"^{re.escape(key_id)}:"


def _shown(place: Sealed) -> dict[str, int]:
    return {"tenant": 1, place.path: 1}
