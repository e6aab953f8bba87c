"""The way in: many messages of a few milliseconds become one find and one insert, then their callers are answered."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from pymongo.errors import BulkWriteError

from libs.ledger.contacts import Contact, ContactReader, alias, conversation_id_of, stranger
from libs.ledger.record import MESSAGES, Idempotency, OutboundDraft
from libs.mongo.client import Mongo, MongoUnavailable, duplicates, outages
from libs.runtime.errors import Outage
from libs.runtime.gather import Gather

LINGER = 0.0025  # seconds a message waits for company: one round trip for all of them is worth it
MOST = 500  # messages a group: a whole bulk call is one commit
RETRY_FOR = 4.0  # seconds an insert of unknown outcome is tried again (same ids: it cannot be stored twice)
RETRY_PAUSE = 0.05  # seconds between those tries


class OutcomeUnknown(Outage):
    """MongoDB went away in mid-write and did not come back in time: the message may or may not be stored."""


class Stored(NamedTuple):
    """What became of a draft: its record, and whether an earlier call had stored it already."""

    document: dict[str, Any]
    replayed: bool


Check = Callable[[OutboundDraft, Contact], Exception | None]


class Intake:
    """Accepts drafts: the record is journaled on a majority before the caller gets its answer.

    `check` decides, with the person's window and consent as read in this very group, whether the draft may be stored;
    the exception it returns is raised at the caller. A repeated id or idempotency key gives the first record back.
    """

    def __init__(self, mongo: Mongo, check: Check) -> None:
        self._mongo = mongo
        self._contacts = ContactReader(mongo)
        self._check = check
        self._gather: Gather[OutboundDraft, Stored] = Gather(self._accept, linger=LINGER, most=MOST, parallel=1)

    async def accept(self, draft: OutboundDraft) -> Stored:
        """Store one message and return its record.

        Raises what `check` returned; MongoUnavailable when certainly nothing was stored; OutcomeUnknown when not even
        that is sure.
        """
        return await self._gather(draft)

    async def accept_all(self, drafts: Sequence[OutboundDraft]) -> Sequence[Stored | Exception]:
        """Store up to `MOST` messages in one group; -> for each its record, or what `accept` would raise.

        Raises MongoUnavailable and OutcomeUnknown for all of them: the same drafts may be given again.
        """
        return await self._accept(drafts)

    async def first(self, tenant: str, idempotency: Idempotency) -> Stored | None:
        """Return the message that was stored under this key before, if there is one. Raises MongoUnavailable."""
        found = await self._find(tenant, [{"idempotency.key": idempotency.key}])
        return Stored(found, replayed=True) if found is not None else None

    async def start(self) -> None:
        """Nothing to prepare: groups form as messages come."""

    async def stop(self) -> None:
        """Store and answer what is waiting."""
        await self._gather.drain()

    async def _accept(self, drafts: Sequence[OutboundDraft]) -> Sequence[Stored | Exception]:
        known = await self._contacts.find((draft.tenant, draft.recipient) for draft in drafts)
        results: list[Stored | Exception | None] = [None] * len(drafts)
        documents: dict[int, dict[str, Any]] = {}
        for place, draft in enumerate(drafts):
            contact = known.get(alias(draft.tenant, draft.recipient)) or stranger(draft.tenant, draft.recipient)
            refusal = self._check(draft, contact)
            if refusal is not None:
                results[place] = refusal
                continue
            draft.contact_id = contact.contact_id
            draft.conversation_id = conversation_id_of(contact.contact_id, draft.phone_number_id)
            documents[place] = draft.document()
        duplicates = await self._insert(list(documents.values())) if documents else set()
        firsts = await self._firsts([it for index, it in enumerate(documents.values()) if index in duplicates])
        for index, (place, document) in enumerate(documents.items()):
            if index in duplicates:
                results[place] = firsts.get(document["_id"]) or await self._first_or_unknown(document)
            else:
                results[place] = Stored(document, replayed=False)
        return [result for result in results if result is not None]

    async def _insert(self, documents: list[dict[str, Any]]) -> set[int]:
        """Insert, again while the outcome is unknown; -> places of those whose id or key was there before."""
        deadline = asyncio.get_running_loop().time() + RETRY_FOR
        unsure = False
        while True:
            try:
                with outages():
                    await self._mongo.collection(MESSAGES).insert_many(documents, ordered=False)
                return set()
            except BulkWriteError as error:
                return duplicates(error)
            except MongoUnavailable as error:
                if error.nothing_written and not unsure:
                    raise
                unsure = True
                if asyncio.get_running_loop().time() > deadline:
                    raise OutcomeUnknown("the message may or may not be stored") from error
                await asyncio.sleep(RETRY_PAUSE)

    async def _find(self, tenant: str, either: list[dict[str, Any]]) -> dict[str, Any] | None:
        with outages():
            return await self._mongo.collection(MESSAGES).find_one({"tenant": tenant, "$or": either})

    async def _firsts(self, documents: Sequence[dict[str, Any]]) -> dict[str, Stored]:
        """Return the records that were there under the ids of several, in one read; none where it is one alone."""
        if len(documents) < 2:
            return {}
        ids, there = {it["_id"]: it for it in documents}, self._mongo.collection(MESSAGES)
        try:
            with outages():
                query = {"_id": {"$in": list(ids)}, "tenant": {"$in": [it["tenant"] for it in documents]}}
                found = await there.find(query).to_list(None)
        except MongoUnavailable:
            return {}
        return {it["_id"]: _first(it, ids[it["_id"]]) for it in found if it["tenant"] == ids[it["_id"]]["tenant"]}

    async def _first_or_unknown(self, document: dict[str, Any]) -> Stored | Exception:
        """Return the record that was there before this one: by its id, or by its idempotency key."""
        either: list[dict[str, Any]] = [{"_id": document["_id"]}]
        if key := document.get("idempotency", {}).get("key"):
            either.append({"idempotency.key": key})
        try:
            first = await self._find(document["tenant"], either)
        except MongoUnavailable:
            first = None
        if first is None:
            return OutcomeUnknown("the message may or may not be stored")
        return _first(first, document)


def _first(first: dict[str, Any], document: dict[str, Any]) -> Stored:
    # Our own first try, before the connection broke, is no replay: it carries this very call's id and time.
    ours = first["_id"] == document["_id"] and first["created_at"] == document["created_at"]
    return Stored(first, replayed=not ours)
