"""Deleting a person's data: noted first, then done in passes until nothing is left, whatever dies in between.

A pass takes away who messages are of and then tells it, so that every service erases what it keeps of them. The last
pass begins some time after the first: what was on its way to the ledger, or between a tracker's read and its write, is
there by then.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog

from libs.directory.directory import Directory
from libs.events.contacts import ContactForgotten
from libs.events.envelope import Envelope
from libs.events.messages import MessageReceived
from libs.events.model import Told
from libs.events.topics import CONTACTS_FORGOTTEN, MESSAGES_INBOUND
from libs.kafka.bus import Bus
from libs.kafka.events import outgoing
from libs.ledger.contact_book import ContactBook
from libs.ledger.contacts import alias, contact_id_of, conversation_id_of
from libs.ledger.conversations import ConversationReader
from libs.ledger.forgetting import Forgetting, is_at_rest
from libs.ledger.people import CUSTOMER_SERVICE_WINDOW
from libs.ledger.record import told
from libs.ledger.states import status_of
from libs.runtime.clock import Clock
from libs.runtime.errors import Outage
from libs.runtime.ids import derived_id, new_id
from libs.runtime.periodic import Periodic
from services.edge.cancellations import Cancellations
from services.edge.erasure_store import ErasureStore
from services.edge.errors import NotCancelable
from services.edge.metrics import ERASURES

LOOK_EVERY = 1.0  # seconds
AGAIN = timedelta(seconds=5)  # after a pass that found messages on their way
AFTER_A_MISTAKE = timedelta(minutes=1)  # of ours: soon enough after a fix
SOURCE = "edge"
NAMES = ("phone", "wa_id", "user_id")  # what a contact calls itself, beside its aliases
OF_EVERY_ACCOUNT = "live"  # as what kind of key messages are canceled

Document = dict[str, Any]
log = structlog.get_logger()


class Turn(Protocol):
    """The right to be the one who goes on with deletions."""

    async def hold(self) -> bool:
        """Take or keep it; -> whether it is ours."""
        ...


class Erasures(Periodic):
    """Begins deletions, and goes on with them."""

    def __init__(
        self, store: ErasureStore, forgetting: Forgetting, book: ContactBook, reader: ConversationReader,
        directory: Directory, cancellations: Cancellations, bus: Bus, turn: Turn, clock: Clock, settles: timedelta,
    ) -> None:  # fmt: skip
        super().__init__(LOOK_EVERY)
        self._store = store
        self._forgetting = forgetting
        self._book = book
        self._reader = reader
        self._directory = directory
        self._cancellations = cancellations
        self._bus = bus
        self._turn = turn
        self._clock = clock
        self._settles = settles

    async def known(self, tenant: str, contact_id: str) -> Document | None:
        """Return the person of this id as a contact, also one who was only written to; None where nobody is."""
        if (row := await self._book.get(tenant, contact_id)) is not None:
            return row
        for number in await self._directory.numbers_of.get(tenant):
            last = await self._reader.last(tenant, conversation_id_of(contact_id, number.phone_number_id))
            if last is not None and (name := last.get("recipient")):
                return _unmet(tenant, contact_id, name)
        return None

    async def named(self, tenant: str, name: str) -> Document:
        """Return the person of a name as a contact, known or not: they may be in a campaign that was never sent."""
        return await self._book.named(tenant, name) or _unmet(tenant, contact_id_of(tenant, name), name)

    async def begin(self, contact: Document, key_id: str) -> None:
        """Forget a contact. From now on there is none; the rest follows. Raises MongoUnavailable."""
        tenant, now = contact["tenant"], self._clock.now()
        names = {name.partition("|")[2] for name in contact.get("aliases", ())}
        names |= {contact[name].removeprefix("+") for name in NAMES if contact.get(name)}
        ids = {contact["_id"], *contact.get("merged", ())} | {contact_id_of(tenant, name) for name in names}
        erasure = {
            "_id": new_id(), "tenant": tenant, "names": sorted(names), "contact_ids": sorted(ids), "key_id": key_id,
            "numbers": sorted(contact.get("windows", ())), "requested_at": now, "due_at": now,
        }  # fmt: skip
        await self._store.begin(erasure)
        await self._forget_person(erasure)
        log.info("contact_forgotten", tenant=tenant, key_id=key_id)

    async def _round(self) -> None:
        if not (under_way := await self._store.under_way()) or not await self._turn.hold():
            ERASURES.set(under_way)
            return
        for erasure in await self._store.due(self._clock.now()):
            try:
                await self._go_on(erasure)
            except Outage:
                raise
            except Exception:  # one that we cannot go on with holds up no other
                log.exception("erasure_failed", erasure_id=erasure["_id"])
                await self._store.note(erasure["_id"], {"due_at": self._clock.now() + AFTER_A_MISTAKE})
        ERASURES.set(await self._store.under_way())

    async def _go_on(self, erasure: Document) -> None:
        if "forgotten_at" not in erasure:
            await self._forget_person(erasure)
        if "told_at" not in erasure:
            await self._tell(erasure)
        now, settled = self._clock.now(), erasure["told_at"] + self._settles
        if not await self._pass(erasure):
            await self._store.note(erasure["_id"], {"due_at": self._clock.now() + AGAIN})
        elif now < settled:
            await self._store.note(erasure["_id"], {"due_at": settled})
        else:
            await self._store.end(erasure["_id"])

    async def _forget_person(self, erasure: Document) -> None:
        await self._forgetting.person(erasure["tenant"], erasure["contact_ids"], erasure["requested_at"])
        await self._store.note(erasure["_id"], {"forgotten_at": self._clock.now()})

    async def _tell(self, erasure: Document) -> None:
        now, tenant = self._clock.now(), erasure["tenant"]
        event = ContactForgotten(contact_ids=erasure["contact_ids"], names=erasure["names"], at=erasure["requested_at"])
        envelope = Envelope(
            id=derived_id("forgotten", erasure["_id"]), type=event.type_name(), source=SOURCE, time=now, tenant=tenant,
            subject=erasure["contact_ids"][0],
        )  # fmt: skip
        told_as = outgoing(Told(CONTACTS_FORGOTTEN, erasure["contact_ids"][0], envelope, event))
        await self._bus.publish_many([told_as])
        erasure["told_at"] = now
        await self._store.note(erasure["_id"], {"told_at": now})

    async def _pass(self, erasure: Document) -> bool:
        """Erase and tell all messages that are at rest; -> whether all were."""
        tenant, complete, asked_at = erasure["tenant"], True, erasure["requested_at"]
        threads = await self._threads(erasure)
        # What a campaign had in hand when it was told is of the person that it was made for, not of a new beginning.
        async for rows in self._forgetting.messages(tenant, threads, asked_at, erasure["told_at"] + self._settles):
            at_rest = [row for row in rows if is_at_rest(row)]
            if len(at_rest) < len(rows):
                complete = False
                await self._cancel([row for row in rows if not is_at_rest(row)])
            if at_rest and await self._forgetting.erase(at_rest):
                await self._bus.publish_many([outgoing(_once_more(row, self._clock.now())) for row in at_rest])
            elif at_rest:
                complete = False
        # A status of an erased message, or a webhook from before, may have made the contact again.
        if not await self._forgetting.is_met_anew(tenant, erasure["contact_ids"], threads, asked_at):
            await self._forgetting.person(tenant, erasure["contact_ids"], asked_at)
        return complete

    async def _threads(self, erasure: Document) -> list[str]:
        """Return the person's conversations with all numbers that the tenant has, or had when they wrote to it."""
        numbers = {number.phone_number_id for number in await self._directory.numbers_of.get(erasure["tenant"])}
        numbers |= set(erasure.get("numbers", ()))
        return [conversation_id_of(contact, number) for contact in erasure["contact_ids"] for number in sorted(numbers)]

    async def _cancel(self, rows: Sequence[Document]) -> None:
        """Take back what has not been sent; what may be on its way comes to its end."""
        for row in rows:
            try:
                await self._cancellations.cancel(row["tenant"], row["_id"], OF_EVERY_ACCOUNT)
            except NotCancelable:
                continue


def _unmet(tenant: str, contact_id: str, name: str) -> Document:
    """Return what a contact would be of whom nothing but a name is known."""
    return {"_id": contact_id, "tenant": tenant, "aliases": [alias(tenant, name)]}


def _once_more(row: Document, now: datetime) -> Told:
    """Return the last event of a message once more, without the person."""
    if row["direction"] == "outbound":
        status = status_of(row)
        nobody = {name: value for name, value in row.items() if name not in ("wamids", "client_ref")}
        at = row["times"].get(status.value, row["created_at"])
        return told(nobody, status, at, source=SOURCE, now=now, forgotten=True)
    event = MessageReceived(
        message_id=row["_id"], wamid="", phone_number_id=row["phone_number_id"], waba_id=row["waba_id"],
        conversation_id=row["conversation_id"], contact_id=row["contact_id"], sender="", type=row["type"],
        at=row["at"], window_until=row["at"] + CUSTOMER_SERVICE_WINDOW, forgotten=True,
    )  # fmt: skip
    envelope = Envelope(
        id=derived_id("received", row["_id"]), type=event.type_name(), source=SOURCE, time=now, tenant=row["tenant"],
        subject=row["_id"],
    )  # fmt: skip
    return Told(MESSAGES_INBOUND, row["conversation_id"], envelope, event)
