"""Forgetting a person: who they are leaves the ledger, what happened and when stays, so that every count stays.

A person who opted out of something is left as a suppression: their names and their withdrawals, nothing else, so that
nobody writes to them again.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, UpdateOne

from libs.events.messages import MessageStatus
from libs.ledger.consent import CONSENT_LOG, OPTED_OUT, words_on
from libs.ledger.contacts import CONTACTS
from libs.ledger.recipients import country_of
from libs.ledger.record import MESSAGES
from libs.mongo.client import Mongo, outages

STEP = 100  # messages that are forgotten at once
# What a message says of its person. Its own id, its states and times, its type, template, price and error stay.
PERSONAL = (
    "recipient", "sender", "user_id", "profile_name", "content", "media_id", "context_wamid", "referral", "wamids",
    "client_ref",
)  # fmt: skip
KEPT_OF_A_WORD = ("state", "at", "arrived_at", "by", "how")

Document = dict[str, Any]


class Forgetting:
    """Erases one person of one tenant. All raise MongoUnavailable; repeating them changes nothing."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def person(self, tenant: str, contact_ids: Collection[str], now: datetime) -> None:
        """Delete contacts and every word they said of consent, but for the withdrawals that stand."""
        contacts, of = self._mongo.collection(CONTACTS), {"tenant": tenant, "_id": {"$in": list(contact_ids)}}
        with outages():
            rows = await contacts.find(of).to_list(None)
            for row in rows:
                if row.get("opted_out"):
                    await contacts.replace_one({"_id": row["_id"], "tenant": tenant}, _suppression(row, now))
                else:
                    await contacts.delete_one({"_id": row["_id"], "tenant": tenant})
            await self._mongo.collection(CONSENT_LOG).delete_many(
                {"tenant": tenant, "contact_id": {"$in": list(contact_ids)}}
            )

    async def messages(
        self, tenant: str, conversation_ids: Sequence[str], until: datetime
    ) -> AsyncIterator[list[Document]]:
        """Yield the messages of conversations that were made up to a time, some at a time."""
        for conversation_id in conversation_ids:
            after = ""
            while True:
                query = {"tenant": tenant, "conversation_id": conversation_id, "_id": {"$gt": after}}
                query["created_at"] = {"$lte": until}
                with outages():
                    found = self._mongo.collection(MESSAGES).find(query, hint="thread")
                    rows: list[Document] = await found.sort("_id", ASCENDING).limit(STEP).to_list(None)
                if not rows:
                    break
                yield rows
                after = rows[-1]["_id"]

    async def erase(self, rows: Sequence[Document]) -> None:
        """Take away who messages are of; those of them that are on their way again stay as they are."""
        updates = [
            UpdateOne(
                {"_id": row["_id"], "tenant": row["tenant"]} | _AT_REST,
                {"$set": {"forgotten": True} | _country(row), "$unset": dict.fromkeys(PERSONAL, "")},
            )
            for row in rows
        ]
        with outages():
            await self._mongo.collection(MESSAGES).bulk_write(updates, ordered=False)


def is_at_rest(row: Document) -> bool:
    """Tell whether nothing more is to be done with a message, and all that happened to it was told.

    One of which nobody knows whether it was sent stays open for ever where it may not be sent again.
    """
    return "due" not in row and ("open" not in row or row["state"] == MessageStatus.UNKNOWN.value)


_AT_REST = {
    "due": {"$exists": False},
    "$or": [{"open": {"$exists": False}}, {"state": MessageStatus.UNKNOWN.value}],
}


def _country(row: Document) -> Document:
    """Return the country as the record keeps it from now on: sums go by it."""
    who = row.get("recipient")
    return {"country": country_of(who)} if who else {}


def _suppression(row: Document, now: datetime) -> Document:
    """Return what stays of a contact who opted out."""
    kept = {name: row[name] for name in ("_id", "tenant", "aliases", "opted_out", "opted_out_at", "created_at")}
    withdrawn: Document = {}
    for covers, said in words_on(row):
        if said["state"] == OPTED_OUT:
            side = "api_consent" if row.get("api_consent", {}).get(covers) is said else "consent"
            withdrawn.setdefault(side, {})[covers] = {name: said[name] for name in KEPT_OF_A_WORD if name in said}
    return kept | withdrawn | {"forgotten_at": now}
