"""Writing what we learn of people: their names, windows and consent. The tracker's side of `contacts`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pymongo import UpdateOne
from pymongo.errors import BulkWriteError

from libs.ledger.consent import ConsentLog, Spoken, Word, applied, words_on
from libs.ledger.contacts import CONTACTS, alias, contact_id_of
from libs.mongo.client import Mongo, duplicates, outages

CUSTOMER_SERVICE_WINDOW = timedelta(hours=24)  # Meta: 24 h from the user's last message, renewed by each
FACTS = ("phone", "wa_id", "user_id", "profile_name", "username")  # what a contact shows of who it is
ROUNDS = 5  # tries when two trackers meet the same new person at once


@dataclass(slots=True)
class Encounter:
    """What one webhook tells about one person. `names` are their aliases, the surest first (phone digits, user id)."""

    tenant: str
    phone_number_id: str
    names: tuple[str, ...]
    seen_at: datetime
    profile_name: str | None = None
    username: str | None = None
    wrote_at: datetime | None = None
    referral_at: datetime | None = None
    free_entry_until: datetime | None = None
    words: list[Word] = field(default_factory=list)

    @property
    def aliases(self) -> list[str]:
        """All names as aliases of the tenant's contact."""
        return [alias(self.tenant, name) for name in self.names]


class People:
    """Keeps one contact per person and tenant."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo
        self._log = ConsentLog(mongo)

    async def meet(self, encounters: Sequence[Encounter]) -> dict[str, str]:
        """Record all encounters; -> alias -> contact id. Repeating it changes nothing."""
        for _ in range(ROUNDS):
            known = await self._known(name for encounter in encounters for name in encounter.aliases)
            for encounter in encounters:
                await self._merge(encounter, known)
            try:
                await self._write([_update(encounter, known) for encounter in encounters])
                break
            except BulkWriteError as error:
                duplicates(error)
        else:
            raise RuntimeError("contacts kept changing under us")
        await self._log.record(  # after the contacts are there: a word for nobody would be lost
            [Spoken(each.tenant, known[each.aliases[0]], word) for each in encounters for word in each.words]
        )
        return known

    async def _write(self, updates: list[UpdateOne]) -> None:
        if updates:
            with outages():
                await self._mongo.collection(CONTACTS).bulk_write(updates, ordered=False)

    async def _known(self, aliases: Iterable[str]) -> dict[str, str]:
        wanted = list(set(aliases))
        with outages():
            rows = (
                await self._mongo.collection(CONTACTS).find({"aliases": {"$in": wanted}}, {"aliases": 1}).to_list(None)
            )
        return {name: row["_id"] for row in rows for name in row["aliases"]}

    async def _merge(self, encounter: Encounter, known: dict[str, str]) -> None:
        """Make sure that all names of the encounter mean one contact, in the map and in the collection."""
        ids = list(dict.fromkeys(known[name] for name in encounter.aliases if name in known))
        contact_id = ids[0] if ids else contact_id_of(encounter.tenant, encounter.names[0])
        for other in ids[1:]:
            await self._absorb(encounter.tenant, contact_id, other)
            for name in [name for name, owner in known.items() if owner == other]:
                known[name] = contact_id
        for name in encounter.aliases:
            known.setdefault(name, contact_id)

    async def _absorb(self, tenant: str, survivor: str, other: str) -> None:
        """Move what one contact has to the other: two names turned out to be one person.

        It is copied before the other one goes, so that a crash loses no window and no consent, and once more after it,
        for what came in between.
        """
        collection, query = self._mongo.collection(CONTACTS), {"_id": other, "tenant": tenant}
        with outages():
            gone = await collection.find_one(query | {"aliases": {"$exists": True}})
            if gone is None:
                return
            await self._write(_moved(tenant, survivor, gone | {"aliases": []}))
            last = await collection.find_one_and_update(
                query, {"$set": {"merged_into": survivor}, "$unset": {"aliases": ""}}
            )
            if last is not None:
                await self._write(_moved(tenant, survivor, gone | last))


def _moved(tenant: str, survivor: str, gone: dict[str, Any]) -> list[UpdateOne]:
    """Return the updates that give the survivor what another contact has, except where its own is later."""
    latest: dict[str, Any] = {}
    for number, window in gone.get("windows", {}).items():
        latest |= {f"windows.{number}.{name}": at for name, at in window.items()}
    update: dict[str, Any] = {
        "$addToSet": {
            "aliases": {"$each": gone.get("aliases", [])},
            "merged": {"$each": [gone["_id"], *gone.get("merged", [])]},
        },
        "$min": {"created_at": gone["created_at"]},
    }
    if latest:
        update["$max"] = latest
    query = {"_id": survivor, "tenant": tenant}
    facts = [
        UpdateOne(query | {name: {"$exists": False}}, {"$set": {name: gone[name]}}) for name in FACTS if name in gone
    ]
    words = [applied(tenant, survivor, covers, said) for covers, said in words_on(gone) if "arrived_at" in said]
    return [UpdateOne(query, update), *facts, *words]


def _identities(names: Iterable[str]) -> dict[str, str]:
    """Tell names apart by their form: a phone number as typed, Meta's digits, a business-scoped user id."""
    kinds = {True: "wa_id", False: "user_id"}
    return {"phone" if name.startswith("+") else kinds[name.isdigit()]: name for name in names}


def _update(encounter: Encounter, known: dict[str, str]) -> UpdateOne:
    contact_id = known[encounter.aliases[0]]
    window = f"windows.{encounter.phone_number_id}"
    latest: dict[str, Any] = {"seen_at": encounter.seen_at}
    if encounter.wrote_at is not None:
        latest[f"{window}.last_inbound_at"] = encounter.wrote_at
        latest[f"{window}.open_until"] = encounter.wrote_at + CUSTOMER_SERVICE_WINDOW
    if encounter.referral_at is not None:
        latest[f"{window}.referral_at"] = encounter.referral_at
    if encounter.free_entry_until is not None:
        latest[f"{window}.free_entry_until"] = encounter.free_entry_until
    facts = {"profile_name": encounter.profile_name, "username": encounter.username} | _identities(encounter.names)
    update: dict[str, Any] = {
        "$setOnInsert": {"tenant": encounter.tenant, "created_at": encounter.seen_at},
        "$addToSet": {"aliases": {"$each": encounter.aliases}},
        "$max": latest,
    }
    if told := {name: fact for name, fact in facts.items() if fact is not None}:
        update["$set"] = told
    return UpdateOne({"_id": contact_id}, update, upsert=True)
