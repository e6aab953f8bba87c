"""Forgetting a person: who they are leaves the ledger, what happened and when stays, so that every count stays.

A person who opted out of something is left as a suppression: their names and their withdrawals, nothing else, so that
nobody writes to them again.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, UpdateOne

from libs.events.messages import MessageStatus
from libs.ledger.consent import CONSENT_LOG, OPTED_OUT, Consent, words_on
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

    async def person(self, tenant: str, contact_ids: Collection[str], asked_at: datetime) -> None:
        """Delete contacts and every word they said of consent, but for the withdrawals that stand."""
        left = list(contact_ids)
        while rows := await self._contacts(tenant, left):
            # Who changed meanwhile (said STOP, was merged) is read again: a withdrawal must not get lost.
            left = [row["_id"] for row in rows if not await self._forget(row, asked_at)]
        with outages():
            await self._mongo.collection(CONSENT_LOG).delete_many(
                {"tenant": tenant, "contact_id": {"$in": list(contact_ids)}}
            )

    async def _contacts(self, tenant: str, contact_ids: Sequence[str]) -> list[Document]:
        if not contact_ids:
            return []
        with outages():
            found = self._mongo.collection(CONTACTS).find({"tenant": tenant, "_id": {"$in": list(contact_ids)}})
            rows: list[Document] = await found.to_list(None)
        return rows

    async def _forget(self, row: Document, asked_at: datetime) -> bool:
        """Delete a contact or leave its suppression; -> whether it still was as it was read."""
        contacts = self._mongo.collection(CONTACTS)
        as_read = {"_id": row["_id"], "tenant": row["tenant"], "aliases": {"$exists": "aliases" in row}}
        as_read |= {name: row.get(name, {"$exists": False}) for name in ("opted_out", "opted_out_at")}
        with outages():
            if row.get("opted_out") and "aliases" in row:  # of who was merged, the words went to the survivor
                return (await contacts.replace_one(as_read, _suppression(row, asked_at))).matched_count == 1
            return (await contacts.delete_one(as_read)).deleted_count == 1

    async def is_met_anew(
        self, tenant: str, contact_ids: Collection[str], conversation_ids: Sequence[str], since: datetime
    ) -> bool:
        """Tell whether the person wrote, was written to, or was said to have agreed, after a time."""
        later = {"$gt": since}
        said = [{f"api_consent.{covers.value}.at": later} for covers in Consent]
        messages = self._mongo.collection(MESSAGES)
        with outages():
            of = {"tenant": tenant, "_id": {"$in": list(contact_ids)}, "$or": said}
            if await self._mongo.collection(CONTACTS).find_one(of, {"_id": 1}) is not None:
                return True
            for each in conversation_ids:
                query = {
                    "tenant": tenant,
                    "conversation_id": each,
                    "created_at": later,
                    "forgotten": {"$exists": False},
                }
                if await messages.find_one(query, {"_id": 1}, hint="thread") is not None:
                    return True
        return False

    async def messages(
        self, tenant: str, conversation_ids: Sequence[str], until: datetime, of_campaigns_until: datetime
    ) -> AsyncIterator[list[Document]]:
        """Yield the messages of conversations that were made up to a time, some at a time."""
        made = [
            {"created_at": {"$lte": until}},
            {"created_at": {"$lte": of_campaigns_until}, "campaign_id": {"$exists": True}},
        ]
        for conversation_id in conversation_ids:
            after = ""
            while True:
                query: Document = {"tenant": tenant, "conversation_id": conversation_id, "_id": {"$gt": after}}
                query["$or"] = made
                with outages():
                    found = self._mongo.collection(MESSAGES).find(query, hint="thread")
                    rows: list[Document] = await found.sort("_id", ASCENDING).limit(STEP).to_list(None)
                if not rows:
                    break
                yield rows
                after = rows[-1]["_id"]

    async def erase(self, rows: Sequence[Document]) -> bool:
        """Take away who messages are of; those of them that are on their way again stay as they are.

        -> whether there were none of these.
        """
        updates = [
            UpdateOne(
                {"_id": row["_id"], "tenant": row["tenant"]} | _AT_REST,
                {"$set": {"forgotten": True} | _country(row), "$unset": dict.fromkeys(PERSONAL, "")},
            )
            for row in rows
        ]
        with outages():
            result = await self._mongo.collection(MESSAGES).bulk_write(updates, ordered=False)
        return result.matched_count == len(rows)


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


def _suppression(row: Document, asked_at: datetime) -> Document:
    """Return what stays of a contact who opted out."""
    kept = {name: row[name] for name in ("_id", "tenant", "aliases", "opted_out", "opted_out_at", "created_at")}
    withdrawn: Document = {}
    for covers, said in words_on(row):
        if said["state"] == OPTED_OUT:
            side = "api_consent" if row.get("api_consent", {}).get(covers) is said else "consent"
            withdrawn.setdefault(side, {})[covers] = {name: said[name] for name in KEPT_OF_A_WORD if name in said}
    return kept | withdrawn | {"forgotten_at": asked_at}
