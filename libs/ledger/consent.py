"""Consent: the append-only log of every word about it, and what the words come to on the contact.

On a contact, `consent` holds the person's own latest word per cover (said to us, or to Meta), `api_consent` that of the
tenant's programs, and `opted_out` what follows from both. A word of the person's outlasts all of the API's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel, UpdateOne
from pymongo.errors import BulkWriteError

from libs.ledger.contacts import CONTACTS
from libs.mongo.client import Mongo, duplicates, outages
from libs.runtime.ids import derived_id

CONSENT_LOG = "consent_log"
INDEXES = {
    CONSENT_LOG: [
        IndexModel([("tenant", ASCENDING), ("contact_id", ASCENDING), ("at", DESCENDING)], name="history"),
    ]
}
HISTORY = 100  # latest words that are shown of a person

OPTED_OUT, OPTED_IN = "opted_out", "opted_in"

Document = dict[str, Any]


class Consent(StrEnum):
    """What a word covers: `marketing` marketing templates, `all` everything but replies."""

    MARKETING = "marketing"
    ALL = "all"


class By(StrEnum):
    """Who said it: the person in a message, the person to Meta, or one of the tenant's programs."""

    PERSON = "person"
    META = "meta"
    API = "api"


@dataclass(frozen=True, slots=True)
class Word:
    """One word about consent: what it covers and says, when it was said and came in, by whom and how.

    `ref` is what it came with (a wamid, a request's id): the same word again has the same one. `at` has whole seconds
    where Meta tells it.
    """

    covers: Consent
    state: str
    at: datetime
    by: By
    how: str
    ref: str
    arrived_at: datetime
    key_id: str | None = None
    reason: str | None = None

    def said(self) -> Document:
        """Return the word as it lies on a contact and in the log."""
        document = {
            "state": self.state, "at": self.at, "arrived_at": self.arrived_at, "by": self.by.value, "how": self.how,
            "ref": self.ref, "key_id": self.key_id, "reason": self.reason,
        }  # fmt: skip
        return {name: value for name, value in document.items() if value is not None}

    def row(self, tenant: str, contact_id: str) -> Document:
        """Return the log's row; a word that comes again has the same id."""
        row_id = derived_id("consent", tenant, self.by.value, self.ref, self.covers.value)
        return {"_id": row_id, "tenant": tenant, "contact_id": contact_id, "covers": self.covers.value} | self.said()


@dataclass(frozen=True, slots=True)
class Spoken:
    """A word with whose it is."""

    tenant: str
    contact_id: str
    word: Word


class ConsentLog:
    """Writes words to the log and to the contacts, and reads them back."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def record(self, spoken: Sequence[Spoken]) -> None:
        """Log words, then apply them to their contacts, which have to be there. Repeating it changes nothing.

        A word that was logged before is applied as it was logged: what Meta tells again came in when it first did.
        """
        if not spoken:
            return
        rows: dict[str, Document] = {}
        for each in spoken:
            row = each.word.row(each.tenant, each.contact_id)
            rows.setdefault(row["_id"], row)
        log = self._mongo.collection(CONSENT_LOG)
        with outages():
            try:
                await log.insert_many(list(rows.values()), ordered=False)
            except BulkWriteError as error:
                duplicates(error)
                async for kept in log.find({"_id": {"$in": list(rows)}}):
                    rows[kept["_id"]] |= {name: kept[name] for name in kept if name != "contact_id"}
        await self._apply([(row["tenant"], row["contact_id"], row["covers"], _word(row)) for row in rows.values()])

    async def _apply(self, words: Sequence[tuple[str, str, str, Document]]) -> None:
        """Apply words to contacts, and to the survivors of those that were merged into another meanwhile."""
        contacts = self._mongo.collection(CONTACTS)
        while words:
            query = {"_id": {"$in": [contact_id for _, contact_id, _, _ in words]}, "merged_into": {"$exists": True}}
            with outages():
                await contacts.bulk_write([applied(*word) for word in words], ordered=True)
                gone = {row["_id"]: row["merged_into"] async for row in contacts.find(query, {"merged_into": 1})}
            words = [(tenant, gone[at], covers, said) for tenant, at, covers, said in words if at in gone]

    async def history(self, tenant: str, contact_ids: Iterable[str]) -> list[Document]:
        """Return the latest words of a person, newest first, under any of the ids that they had."""
        query = {"tenant": tenant, "contact_id": {"$in": list(contact_ids)}}
        with outages():
            cursor = self._mongo.collection(CONSENT_LOG).find(query).limit(HISTORY)
            rows: list[Document] = await cursor.sort([("at", DESCENDING), ("arrived_at", DESCENDING)]).to_list(None)
        return rows


def applied(tenant: str, contact_id: str, covers: str, said: Document) -> UpdateOne:
    """Return the update that sets a word unless the same side said something later.

    Meta's times are whole seconds: of two words of one second the one that came in later counts, and where not even
    that tells them apart the withdrawal.
    """
    place = f"{'api_consent' if said['by'] == By.API else 'consent'}.{covers}"
    at, arrived_at = said["at"], said["arrived_at"]
    later: list[Document] = [
        {f"{place}.at": {"$exists": False}},
        {f"{place}.at": {"$lt": at}},
        {f"{place}.at": at, f"{place}.arrived_at": {"$lt": arrived_at}},
    ]
    if said["state"] == OPTED_OUT:
        later.append({f"{place}.at": at, f"{place}.arrived_at": arrived_at, f"{place}.state": OPTED_IN})
    stages: list[Document] = [{"$set": {place: {"$literal": said}}}]
    if said["state"] == OPTED_OUT:
        stages.append({"$set": {"opted_out_at": {"$max": ["$opted_out_at", at]}}})
    stages.append({"$set": {"opted_out": {"$concatArrays": [_where_withdrawn(each.value) for each in Consent]}}})
    return UpdateOne({"_id": contact_id, "tenant": tenant, "$or": later}, stages)


def words_on(contact: Document) -> list[tuple[str, Document]]:
    """Return all words that stand on a contact, with what they cover."""
    return [word for side in ("consent", "api_consent") for word in contact.get(side, {}).items()]


def _where_withdrawn(covers: str) -> Document:
    """Return the expression of `[covers]` where it is withdrawn, else of an empty list.

    Withdrawn is what the person withdrew, and what the API did unless the person came back later. The person's time has
    whole seconds, so the API's is compared without its fraction, and the fraction with when the person's word came in.
    """
    own, api = f"$consent.{covers}", f"$api_consent.{covers}"
    second = {"$dateTrunc": {"date": f"{api}.at", "unit": "second"}}
    came_back = [
        {"$eq": [f"{own}.state", OPTED_IN]},
        {"$gte": [f"{own}.at", second]},
        {"$gte": [f"{own}.arrived_at", f"{api}.at"]},
    ]
    by_api = {"$and": [{"$eq": [f"{api}.state", OPTED_OUT]}, {"$not": [{"$and": came_back}]}]}
    return {"$cond": [{"$or": [{"$eq": [f"{own}.state", OPTED_OUT]}, by_api]}, [covers], []]}


def _word(row: Document) -> Document:
    return {name: value for name, value in row.items() if name not in ("_id", "tenant", "contact_id", "covers")}
