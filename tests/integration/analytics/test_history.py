from datetime import UTC, datetime, timedelta

from libs.mongo.client import Mongo
from services.analytics.history_store import ACCEPTED, HISTORY, INBOUND, HistoryStore
from services.analytics.readings import REPLY_OPEN

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
DAY = timedelta(days=1)


async def test_what_messages_reply_to_is_looked_up_by_index_in_one_question(mongo: Mongo) -> None:
    for place, ago in enumerate((1, 3, 2)):
        at = NOW - timedelta(hours=ago)
        await mongo.collection(HISTORY).insert_one({
            "_id": f"m{place}:accepted", "tenant": "acme", "message_id": f"m{place}", "conversation_id": "known",
            "status": ACCEPTED, "at": at, "created_at": at,
        })  # fmt: skip
    for place, conversation in enumerate(("known", "new")):
        await mongo.collection(INBOUND).insert_one({
            "_id": f"i{place}", "tenant": "acme", "conversation_id": conversation, "reply": REPLY_OPEN,
            "written_by": NOW, "stored_at": NOW + timedelta(seconds=place),
        })  # fmt: skip
    found = await HistoryStore(mongo).open_replies(NOW + DAY, DAY, 10)
    assert [[row["message_id"] for row in each["last"]] for each in found] == [["m0"], []]
    used = {
        row["name"]: row["accesses"]["ops"] async for row in mongo.collection(HISTORY).aggregate([{"$indexStats": {}}])
    }
    assert used["by_conversation"] >= 1
