"""Parts of webhooks that do not fit, kept aside with their reason for people to look at."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, IndexModel
from pymongo.errors import BulkWriteError

from libs.mongo.client import Mongo, duplicates, outages
from libs.runtime.ids import derived_id

COLLECTION = "webhook_misfits"
KEPT = timedelta(days=30)  # as long as dead letters
PART_LIMIT = 16_384  # characters of the part that are kept; the whole body is in the topic
INDEXES = {COLLECTION: [IndexModel([("at", ASCENDING)], name="forget", expireAfterSeconds=int(KEPT.total_seconds()))]}


@dataclass(frozen=True, slots=True)
class KeptAside:
    """One part with where it came from."""

    topic: str
    partition: int
    offset: int
    place: int
    reason: str
    part: Any
    at: datetime

    def document(self) -> dict[str, Any]:
        """Return the document; the same part of the same record has the same id."""
        return {
            "_id": derived_id("misfit", self.topic, str(self.partition), str(self.offset), str(self.place)),
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "reason": self.reason,
            "part": _written(self.part)[:PART_LIMIT],
            "at": self.at,
        }


def _written(part: Any) -> str:
    try:
        return json.dumps(part, ensure_ascii=True, default=str)
    except RecursionError:
        return '"nested too deeply to be written"'


class MisfitStore:
    """Keeps misfits for some weeks."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def keep(self, parts: Sequence[KeptAside]) -> None:
        """Store parts; those that are there already stay."""
        if not parts:
            return
        try:
            with outages():
                await self._mongo.collection(COLLECTION).insert_many([part.document() for part in parts], ordered=False)
        except BulkWriteError as error:
            duplicates(error)
