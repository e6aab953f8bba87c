"""The steps, oldest first. A released step is not changed any more: what is wrong with it is the next one's work."""

from deploy.migrations.indexes import declared
from libs.directory.directory import ACCOUNTS, NUMBERS
from libs.mongo.client import Mongo, outages
from libs.mongo.indexes import IndexBuilder
from libs.mongo.migrations import Step

HEARD_OF_ACCOUNTS = ("status", "stop_reason", "ban", "restrictions", "violation", "review_status", "messaging_limit")
HEARD_OF_NUMBERS = (
    "status", "stop_reason", "quality_event", "quality_rating", "throughput", "messaging_limit", "name_status",
)  # fmt: skip


async def _make_indexes(mongo: Mongo) -> int:
    """Make every index that is declared. Services make theirs too: here nobody waits for them to be ready."""
    indexes = declared()
    await IndexBuilder(mongo, indexes).start()
    return sum(len(models) for models in indexes.values())


async def _stamp_what_was_heard(mongo: Mongo) -> int:
    """Say of accounts and numbers that what is known of them was heard when they were last changed."""
    changed = 0
    for collection, fields in ((ACCOUNTS, HEARD_OF_ACCOUNTS), (NUMBERS, HEARD_OF_NUMBERS)):
        stamps = {f"heard.{name}": "$updated_at" for name in fields}
        with outages():
            done = await mongo.collection(collection).update_many(
                {"heard": {"$exists": False}, "updated_at": {"$type": "date"}}, [{"$set": stamps}]
            )
        changed += done.modified_count
    return changed


STEPS = (
    Step(1, "indexes", "long builds are over before the services start", _make_indexes),
    Step(2, "what_was_heard", "webhooks of Meta's that are read again must not undo later ones", _stamp_what_was_heard),
)
