"""How contacts, their consent and their conversations look to callers: only what is listed here goes out."""

from datetime import datetime
from typing import Any

from libs.directory.reach import EVERYTHING, Reach
from libs.ledger.consent import Consent
from libs.ledger.contacts import Window, contact_from, conversation_id_of
from libs.ledger.conversations import Ends
from libs.ledger.opt_out_words import LISTS, OptOutWords

Document = dict[str, Any]


def contact(document: Document, now: datetime, reach: Reach) -> Document:
    """A contact: who it is, the windows by number, and what it wants to get.

    Where not all is reached, words of consent are left out, and when they were seen: neither says by which number.
    """
    windows = {number: its for number, its in contact_from(document).windows.items() if reach.has_number(number)}
    identities = identities_of(document)
    return {
        "id": document["_id"],
        "object": "contact",
        "identities": identities,
        "profile_name": document.get("profile_name"),
        "username": document.get("username"),
        "windows": [
            {"phone_number_id": number, "conversation_id": conversation_id_of(document["_id"], number)}
            | window(windows[number], now)
            for number in sorted(windows)
        ],
        "consent": {each.value: _consent(document, each, told=not reach.limited) for each in Consent},
        "created_at": document["created_at"],
        "seen_at": None if reach.limited else document.get("seen_at"),
        "forgotten_at": document.get("forgotten_at"),
    }


def identities_of(document: Document) -> Document:
    """The names of a person: the number as it was typed, Meta's digits, the business-scoped id, the username."""
    wa_id = document.get("wa_id")
    return {
        "phone": document.get("phone") or (f"+{wa_id}" if wa_id else None),
        "wa_id": wa_id,
        "user_id": document.get("user_id"),
        "username": document.get("username"),
        "profile_name": document.get("profile_name"),
    }


def window(found: Window, now: datetime) -> Document:
    """The customer service window, and the free entry point's."""
    return {
        "open": found.is_open(now),
        "last_inbound_at": found.last_inbound_at,
        "open_until": found.open_until,
        "free_entry_until": found.free_entry_until,
    }


def _consent(document: Document, covers: Consent, *, told: bool) -> Document:
    """What stands of one thing: whether it is withdrawn, and the words of the person and of the API about it."""
    said = [document.get(side, {}).get(covers.value) if told else None for side in ("consent", "api_consent")]
    withdrawn = covers.value in document.get("opted_out", ())
    state = "opted_out" if withdrawn else "opted_in" if any(said) else "none"
    return {"state": state} | dict(zip(("person", "api"), map(_said, said), strict=True))


def _said(word: Document | None) -> Document | None:
    if word is None:
        return None
    fields = ("state", "at", "by", "how", "key_id", "reason")
    return {name: word.get(name) for name in fields} | {_named(word): word.get("ref")}


def _named(word: Document) -> str:
    return {"keyword": "wamid", "button": "wamid", "api": "request_id"}.get(word["how"], "ref")


def spoken(row: Document) -> Document:
    """A row of the consent log."""
    said = _said(row) or {}
    return {"id": row["_id"], "object": "consent_word", "covers": row["covers"]} | said


def opt_out(document: Document, reach: Reach = EVERYTHING) -> Document:
    """Somebody who opted out: the widest that they withdrew, and every word that stands behind it.

    Where not all is reached, only of what they opted out.
    """
    withdrawn = [each for each in (Consent.ALL, Consent.MARKETING) if each.value in document.get("opted_out", ())]
    words = [{"covers": each.value} if reach.limited else _standing(document, each) for each in withdrawn]
    identities = identities_of(document)
    return {
        "id": document["_id"],
        "object": "opt_out",
        "contact_id": document["_id"],
        "recipient": identities["phone"] or identities["user_id"],
        "identities": identities,
        **(words[0] if words else {}),
        "opt_outs": words,
    }


def _standing(document: Document, covers: Consent) -> Document:
    """The word that withdraws: the person's own where they said it, else the API's."""
    sides = [document.get(side, {}).get(covers.value) for side in ("consent", "api_consent")]
    found = next((said for said in sides if said is not None and said["state"] == "opted_out"), None)
    return {"covers": covers.value} | {name: part for name, part in (_said(found) or {}).items() if name != "state"}


def conversation(
    last: Document, ends: Ends, contact_row: Document | None, handed_over_at: datetime | None, now: datetime
) -> Document:
    """A conversation: between whom, its window, its newest message each way, and since when a person answers."""
    number = last["phone_number_id"]
    found = contact_from(contact_row).window(number) if contact_row is not None else Window()
    return {
        "id": last["conversation_id"],
        "object": "conversation",
        "phone_number_id": number,
        "contact_id": contact_row["_id"] if contact_row is not None else last["contact_id"],
        "identities": identities_of(contact_row) if contact_row is not None else identities_of(last_as_person(last)),
        "window": window(found, now),
        "last_message_id": last["_id"],
        "last_activity_at": last.get("at") or last["created_at"],
        "last_inbound_message_id": ends.inbound["_id"] if ends.inbound else None,
        "last_outbound_message_id": ends.outbound["_id"] if ends.outbound else None,
        "handed_over_at": handed_over_at,
    }


def last_as_person(message: Document) -> Document:
    """Who a message went to, as far as it tells: nobody met them yet."""
    recipient = message.get("recipient", "")
    return {"phone" if recipient.startswith("+") else "user_id": recipient} if recipient else {}


def opt_out_words(words: OptOutWords) -> Document:
    """The words in force, and which lists are everybody's."""
    lists = {name: list(words.words(name)) for name in LISTS}
    return {"object": "opt_out_words"} | lists | {"defaults": [name for name in LISTS if getattr(words, name) is None]}
