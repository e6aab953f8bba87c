"""Who we talk to: one document per tenant and person, with their windows per number and their consent.

A person has several names: the number as typed, Meta's `wa_id` (not always the same digits), the business-scoped user
id. All are aliases of one contact. Ids are derived from the first alias, so that intake needs no write to know them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel

from libs.ledger.forms import one_form
from libs.mongo.client import Mongo, outages
from libs.runtime.ids import derived_id

CONTACTS = "contacts"
INDEXES = {
    CONTACTS: [
        IndexModel(
            [("aliases", ASCENDING)],
            name="aliases",
            unique=True,
            partialFilterExpression={"aliases": {"$exists": True}},
        ),
        IndexModel([("tenant", ASCENDING), ("_id", ASCENDING)], name="tenant"),
        # Lists, newest first. Partial: who was merged into another is not listed.
        IndexModel(
            [("tenant", ASCENDING), ("created_at", DESCENDING), ("_id", DESCENDING)],
            name="newest",
            partialFilterExpression={"aliases": {"$exists": True}},
        ),
        # Lists of who opted out, newest first. Partial: few people ever do.
        IndexModel(
            [("tenant", ASCENDING), ("opted_out_at", DESCENDING), ("_id", DESCENDING)],
            name="opted_out",
            partialFilterExpression={"opted_out_at": {"$exists": True}},
        ),
    ]
}

IDS_KEPT = 50_000  # derived ids of the people at work: a hash each is dearer than all else we do to know them

MARKETING = "MARKETING"  # the template category that an opt-out of marketing stops, as Meta spells it


@dataclass(frozen=True, slots=True)
class Window:
    """The customer service window (and free entry point) of one number with one person."""

    last_inbound_at: datetime | None = None
    open_until: datetime | None = None
    free_entry_until: datetime | None = None

    def is_open(self, now: datetime) -> bool:
        """Tell whether a free-form message may go out now.

        Source: Meta's rule of 24 h from the person's last message, and of free entry points: any type of message
        until the expiry that Meta's status names.
        """
        inside = self.open_until is not None and now < self.open_until
        return inside or (self.free_entry_until is not None and now < self.free_entry_until)


@dataclass(frozen=True, slots=True)
class Contact:
    """What intake and sender need to know of a person."""

    contact_id: str
    windows: dict[str, Window]
    opted_out_of_marketing: bool
    opted_out_of_all: bool
    opted_in: bool = False

    def consented(self, phone_number_id: str) -> bool:
        """Tell whether the person agreed to be written to: they, or a program of the tenant's, said so, or they wrote
        to this number.
        """
        return self.opted_in or self.window(phone_number_id).last_inbound_at is not None

    def refuses(self, template: Mapping[str, str] | None, phone_number_id: str, at: datetime) -> bool:
        """Tell whether the person opted out of this: of a template, or of a free-form message (None) going at a time.

        Who opted out of everything still gets replies: free-form messages inside the window that they opened.
        """
        if template is None:
            return self.opted_out_of_all and not self.window(phone_number_id).is_open(at)
        return self.opted_out_of_all or (self.opted_out_of_marketing and template.get("category") == MARKETING)

    def window(self, phone_number_id: str) -> Window:
        """Return the window with this number; a closed one where they never wrote."""
        return self.windows.get(phone_number_id, Window())


def alias(tenant: str, name: str) -> str:
    """Return the alias of a phone number (any of its forms) or a business-scoped user id within a tenant."""
    digits = name.removeprefix("+")
    return f"{tenant}|{one_form(digits) if digits[:1] == '5' else digits}"  # few have two


@lru_cache(maxsize=IDS_KEPT)
def contact_id_of(tenant: str, name: str) -> str:
    """Return the id that a contact first met under this name has."""
    return derived_id("contact", alias(tenant, name))


@lru_cache(maxsize=IDS_KEPT)
def conversation_id_of(contact_id: str, phone_number_id: str) -> str:
    """Return the id of the conversation between a contact and a number."""
    return derived_id("conversation", contact_id, phone_number_id)


def stranger(tenant: str, name: str) -> Contact:
    """Return the contact that somebody we never met would be."""
    return Contact(contact_id_of(tenant, name), {}, False, False)


def contact_from(document: dict[str, Any]) -> Contact:
    """Read a contact's document."""
    opted_out = document.get("opted_out", ())
    windows = {
        number: Window(entry.get("last_inbound_at"), entry.get("open_until"), entry.get("free_entry_until"))
        for number, entry in document.get("windows", {}).items()
    }
    said = [*document.get("consent", {}).values(), *document.get("api_consent", {}).values()]
    return Contact(
        document["_id"],
        windows,
        "marketing" in opted_out,
        "all" in opted_out,
        any(word.get("state") == "opted_in" for word in said),
    )


_COVERS = ("marketing", "all")
_PROJECTION = {"aliases": 1, "windows": 1, "opted_out": 1} | {
    f"{side}.{covers}.state": 1 for side in ("consent", "api_consent") for covers in _COVERS
}


class ContactReader:
    """Finds many people at once by their names; read only."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def find(self, names: Iterable[tuple[str, str]]) -> dict[str, Contact]:
        """Find the contacts of (tenant, name) pairs in one round trip: alias -> contact, strangers left out."""
        aliases = list({alias(tenant, name) for tenant, name in names})
        found: dict[str, Contact] = {}
        with outages():
            cursor = self._mongo.collection(CONTACTS).find({"aliases": {"$in": aliases}}, _PROJECTION)
            for document in await cursor.to_list(None):
                contact = contact_from(document)
                for known in document["aliases"]:
                    found[known] = contact
        return found

    async def opted_out_since(self, tenant: str, moment: datetime, most: int) -> list[list[str]]:
        """Return the names (without the tenant) of each person who opted out at that time or later and did not come
        back, the latest first.
        """
        query = {"tenant": tenant, "opted_out_at": {"$gte": moment}, "opted_out": {"$ne": []}}
        with outages():
            cursor = self._mongo.collection(CONTACTS).find(query, {"aliases": 1}).limit(most)
            rows = await cursor.sort([("opted_out_at", DESCENDING), ("_id", DESCENDING)]).to_list(None)
        return [[name.partition("|")[2] for name in row.get("aliases", ())] for row in rows]
