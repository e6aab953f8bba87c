"""Who we talk to: one document per tenant and person, with their windows per number and their consent.

A person has several names: the number as typed, Meta's `wa_id` (not always the same digits), the business-scoped user
id. All are aliases of one contact. Ids are derived from the first alias, so that intake needs no write to know them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from pymongo import ASCENDING, IndexModel

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
    ]
}

IDS_KEPT = 50_000  # derived ids of the people at work: a hash each is dearer than all else we do to know them

# What a person withdrew. `marketing` stops marketing templates; `all` stops everything.
OPTED_OUT = "opted_out"

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
        return any(until is not None and now < until for until in (self.open_until, self.free_entry_until))


@dataclass(frozen=True, slots=True)
class Contact:
    """What intake and sender need to know of a person."""

    contact_id: str
    windows: dict[str, Window]
    opted_out_of_marketing: bool
    opted_out_of_all: bool

    def refuses(self, category: str) -> bool:
        """Tell whether the person opted out of what this is: a template's category, empty for free-form messages."""
        return self.opted_out_of_all or (self.opted_out_of_marketing and category == MARKETING)

    def window(self, phone_number_id: str) -> Window:
        """Return the window with this number; a closed one where they never wrote."""
        return self.windows.get(phone_number_id, Window())


def alias(tenant: str, name: str) -> str:
    """Return the alias of a phone number (any of its forms) or a business-scoped user id within a tenant."""
    return f"{tenant}|{name.removeprefix('+')}"


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
    consent = document.get("consent", {})
    windows = {
        number: Window(entry.get("last_inbound_at"), entry.get("open_until"), entry.get("free_entry_until"))
        for number, entry in document.get("windows", {}).items()
    }
    return Contact(
        document["_id"],
        windows,
        consent.get("marketing", {}).get("state") == OPTED_OUT,
        consent.get("all", {}).get("state") == OPTED_OUT,
    )


class ContactReader:
    """Finds many people at once by their names; read only."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def find(self, names: Iterable[tuple[str, str]]) -> dict[str, Contact]:
        """Find the contacts of (tenant, name) pairs in one round trip: alias -> contact, strangers left out."""
        aliases = list({alias(tenant, name) for tenant, name in names})
        found: dict[str, Contact] = {}
        with outages():
            cursor = self._mongo.collection(CONTACTS).find(
                {"aliases": {"$in": aliases}}, {"aliases": 1, "windows": 1, "consent": 1}
            )
            for document in await cursor.to_list(None):
                contact = contact_from(document)
                for known in document["aliases"]:
                    found[known] = contact
        return found
