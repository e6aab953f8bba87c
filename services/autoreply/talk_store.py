"""What bots remember: a decision per inbound message, and per conversation who answers and how often a bot did.

A decision is inserted once, before its answers are asked for, and holds them until they are: whoever reads the message
again asks for the very same.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument, UpdateOne
from pymongo.errors import BulkWriteError

from libs.directory.reach import Reach
from libs.ledger.talks import DECISIONS, TALKS
from libs.mongo.client import Mongo, duplicates, outages

WAITING = "waiting"  # the outcome of a decision that somebody still has to think about
REMEMBERED = 30  # times of a bot's latest answers in a conversation

Document = dict[str, Any]


def indexes(kept: timedelta) -> dict[str, list[IndexModel]]:
    """Return the indexes; decisions go after a time."""
    return {
        DECISIONS: [
            IndexModel([("at", ASCENDING)], name="forget", expireAfterSeconds=int(kept.total_seconds())),
            IndexModel([("tenant", ASCENDING), ("bot_id", ASCENDING), ("_id", DESCENDING)], name="bot"),
        ],
        TALKS: [IndexModel([("tenant", ASCENDING), ("handed_over_at", DESCENDING)], name="handed_over")],
    }


class TalkStore:
    """All raise MongoUnavailable."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def decide(self, decisions: Sequence[Document]) -> dict[str, Document]:
        """Keep decisions unless there are some of these messages; -> message -> the one that stands."""
        stand = {decision["_id"]: decision for decision in decisions}
        try:
            with outages():
                await self._mongo.collection(DECISIONS).insert_many(list(decisions), ordered=False)
        except BulkWriteError as error:
            there = [decisions[place]["_id"] for place in duplicates(error)]
            with outages():
                async for row in self._mongo.collection(DECISIONS).find({"_id": {"$in": there}}):
                    stand[row["_id"]] = row
        return stand

    async def known(self, message_ids: Sequence[str]) -> dict[str, Document]:
        """Return the decisions on messages."""
        with outages():
            rows = await self._mongo.collection(DECISIONS).find({"_id": {"$in": list(message_ids)}}).to_list(None)
        return {row["_id"]: row for row in rows}

    async def conclude(self, message_id: str, fields: Mapping[str, Any], *, is_open: bool) -> Document | None:
        """Say what became of a message that waited, once; -> the decision, None where that was said already."""
        change: Document = {"$set": dict(fields)} | ({} if is_open else {"$unset": {"open": "", "commands": ""}})
        with outages():
            row: Document | None = await self._mongo.collection(DECISIONS).find_one_and_update(
                {"_id": message_id, "outcome": WAITING, "open": True}, change, return_document=ReturnDocument.AFTER
            )
        return row

    async def close(self, decisions: Sequence[Document]) -> None:
        """Note that decisions were carried out; what their answers say is in the messages from now on.

        Does not wait for the journal: where this is lost they are asked for once more, as the same messages.
        """
        query = {"_id": {"$in": [decision["_id"] for decision in decisions]}}
        with outages():
            await self._mongo.hasty(DECISIONS).update_many(
                query, {"$unset": {"open": "", "commands": "", "dialogue": ""}}
            )

    async def page(self, tenant: str, bot_id: str, limit: int, after: str | None, reach: Reach) -> list[Document]:
        """Return a bot's decisions as far as they are reached, newest first."""
        query: Document = {"tenant": tenant, "bot_id": bot_id} | ({"_id": {"$lt": after}} if after else {})
        with outages():
            cursor = self._mongo.collection(DECISIONS).find(reach.by_number(query), {"commands": 0})
            cursor = cursor.sort("_id", DESCENDING)
            rows: list[Document] = await cursor.limit(limit).to_list(None)
        return rows

    async def talks(self, conversation_ids: Sequence[str]) -> dict[str, Document]:
        """Return what is remembered of conversations; new ones are not in the answer."""
        with outages():
            rows = await self._mongo.collection(TALKS).find({"_id": {"$in": list(conversation_ids)}}).to_list(None)
        return {row["_id"]: row for row in rows}

    async def answered(self, decisions: Sequence[Document]) -> None:
        """Note that a bot answered, for whoever looks whether two of them talk to one another."""
        updates = [
            UpdateOne(
                {"_id": each["conversation_id"]},
                {
                    "$push": {"answered_at": {"$each": [each["at"]], "$slice": -REMEMBERED}},
                    "$setOnInsert": {"tenant": each["tenant"]},
                },
                upsert=True,
            )
            for each in decisions
        ]
        if updates:
            with outages():
                await self._mongo.hasty(TALKS).bulk_write(updates, ordered=False)

    async def turn(self, decisions: Sequence[Document]) -> None:
        """Keep where dialogues stand. A decision that is carried out again after a later one changes nothing."""
        updates: list[UpdateOne] = []
        for each in decisions:
            place = {"_id": each["conversation_id"]}
            now = {"dialogue": each["dialogue"], "turned_at": each["at"]}
            updates += [
                UpdateOne(place, {"$setOnInsert": {"tenant": each["tenant"]}}, upsert=True),
                UpdateOne(place | {"$nor": [{"turned_at": {"$gt": each["at"]}}]}, {"$set": now}),
            ]
        if updates:
            with outages():
                await self._mongo.collection(TALKS).bulk_write(updates)

    async def answers_to(self, inbound_ids: Sequence[str]) -> set[str]:
        """Return the messages with which bots answered these inbound ones."""
        with outages():
            rows = (
                await self._mongo.collection(DECISIONS)
                .find({"_id": {"$in": list(inbound_ids)}}, {"answers": 1})
                .to_list(None)
            )
        return {message_id for row in rows for message_id in row.get("answers", ())}

    async def refused(self, inbound_id: str, message_id: str, code: str, param: str | None) -> None:
        """Note that an answer to an inbound message was refused, and why; others' messages are not looked at."""
        why = {"message_id": message_id, "code": code, "param": param}
        with outages():
            await self._mongo.collection(DECISIONS).update_one(
                {"_id": inbound_id, "answers": message_id}, {"$addToSet": {"refused": why}}
            )

    async def silence(self, until: Mapping[str, datetime], tenants: Mapping[str, str]) -> None:
        """Keep bots silent in conversations until a time each: people are at it."""
        updates = [
            UpdateOne(
                {"_id": conversation_id},
                {"$max": {"silent_until": moment}, "$setOnInsert": {"tenant": tenants[conversation_id]}},
                upsert=True,
            )
            for conversation_id, moment in until.items()
        ]
        if updates:
            with outages():
                await self._mongo.collection(TALKS).bulk_write(updates, ordered=False)

    async def hand_over(self, tenant: str, conversation_id: str, at: datetime, by: str) -> None:
        """Let a person answer from now on."""
        with outages():
            await self._mongo.collection(TALKS).update_one(
                {"_id": conversation_id}, {"$set": {"tenant": tenant, "handed_over_at": at, "handed_over_by": by}},
                upsert=True,
            )  # fmt: skip

    async def hand_back(self, tenant: str, conversation_id: str) -> None:
        """Let the bot answer again."""
        with outages():
            await self._mongo.collection(TALKS).update_one(
                {"_id": conversation_id, "tenant": tenant},
                {
                    "$unset": {"handed_over_at": "", "handed_over_by": "", "silent_until": ""},
                    "$set": {"answered_at": []},
                },
            )

    async def forget(self, message_ids: Sequence[str]) -> list[str]:
        """Take out what decisions on messages of a forgotten person say, and what they said in dialogues.

        -> the conversations that these are of.
        """
        decisions, ids = self._mongo.collection(DECISIONS), {"_id": {"$in": list(message_ids)}}
        with outages():
            await decisions.update_many(ids, {"$unset": {"open": "", "commands": "", "dialogue": ""}})
            places: list[str] = await decisions.distinct("conversation_id", ids)
            if places:
                gone = {"$unset": {"dialogue": ""}}
                await self._mongo.collection(TALKS).update_many({"_id": {"$in": places}}, gone)
        return places
