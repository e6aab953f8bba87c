"""Contacts and conversations: who the tenant's numbers talk to, and where each conversation stands."""

from datetime import datetime, timedelta
from typing import Any

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from libs.directory.directory import Directory
from libs.ledger.consent import ConsentLog
from libs.ledger.contact_book import ContactBook
from libs.ledger.contacts import contact_from, conversation_id_of
from libs.ledger.conversations import ConversationReader
from libs.ledger.talks import TalkReader
from libs.runtime.clock import Clock
from libs.runtime.ids import earliest_id, is_uuid
from libs.web.answers import JsonAnswer
from libs.web.cursors import listing, page_cursor, page_limit
from libs.web.errors import wrong
from services.edge import people_views as views
from services.edge.api_keys import Scope
from services.edge.auth import Caller
from services.edge.errors import NoSuchContact, NoSuchConversation
from services.edge.met_people import MetPeople
from services.edge.queries import PAGE, check_known, recipient, uuid
from services.edge.routes.endpoint import Endpoint

RECIPIENT = ("recipient", "The person: E.164 phone number or business-scoped user id.")
CONTACTS = (RECIPIENT, *PAGE)
CONVERSATIONS = (
    ("phone_number_id", "One of your numbers."),
    ("contact_id", "One contact."),
    ("window", "`open` or `closed`: the customer service window now."),
    *PAGE,
)
# Whose window is open wrote, or was written to by who came from an ad, within Meta's 72 hours and some.
LONGEST_WINDOW = timedelta(days=4)

Document = dict[str, Any]


class ContactRoutes:
    """`/contacts` and `/conversations`."""

    def __init__(
        self, met: MetPeople, book: ContactBook, log: ConsentLog, reader: ConversationReader, talks: TalkReader,
        directory: Directory, clock: Clock,
    ) -> None:  # fmt: skip
        self._met = met
        self._book = book
        self._log = log
        self._reader = reader
        self._talks = talks
        self._directory = directory
        self._clock = clock

    def endpoints(self, base: str) -> list[Endpoint]:
        """Return the endpoints."""
        return [
            Endpoint("GET", f"{base}/contacts", Scope.READ, self.contacts, "List contacts, newest first.",
                     query=CONTACTS),
            Endpoint("GET", f"{base}/contacts/{{contact_id}}", Scope.READ, self.contact,
                     "Read a contact: identities, windows, consent and its history."),
            Endpoint("GET", f"{base}/conversations", Scope.READ, self.conversations,
                     "List conversations, the one with the newest message first.", query=CONVERSATIONS),
            Endpoint("GET", f"{base}/conversations/{{conversation_id}}", Scope.READ, self.conversation,
                     "Read a conversation: its window and its newest messages."),
        ]  # fmt: skip

    async def contacts(self, request: Request, caller: Caller) -> Response:
        """List contacts."""
        query = request.query_params
        check_known(query, CONTACTS)
        limit, cursor, name = page_limit(query.get("limit")), page_cursor(query.get("starting_after")), recipient(query)
        reach = await self._directory.reach(caller.tenant, caller.mode)
        after = await self._met.get(caller.tenant, cursor, reach) if cursor is not None else None
        if cursor is not None and after is None:
            raise wrong("starting_after", "There is no such contact.")
        if name is None:
            rows = await self._met.page(caller.tenant, limit + 1, after, reach)
        else:
            found = await self._met.named(caller.tenant, name, reach)
            rows = [found] if found is not None and after is None else []
        return JsonAnswer(listing([views.contact(row, self._clock.now(), reach) for row in rows], limit))

    async def contact(self, request: Request, caller: Caller) -> Response:
        """Read one contact, under any id that it ever had."""
        contact_id = request.path_params["contact_id"]
        reach = await self._directory.reach(caller.tenant, caller.mode)
        row = await self._met.get(caller.tenant, contact_id, reach) if is_uuid(contact_id) else None
        if row is None:
            raise NoSuchContact("There is no such contact.", param="contact_id")
        ids = [] if reach.limited else [row["_id"], *row.get("merged", [])]  # a word does not say to which number
        words = await self._log.history(caller.tenant, ids)
        shown = views.contact(row, self._clock.now(), reach)
        return JsonAnswer(shown | {"consent_history": [views.spoken(word) for word in words]})

    async def conversation(self, request: Request, caller: Caller) -> Response:
        """Read one conversation."""
        conversation_id = request.path_params["conversation_id"]
        last = await self._last(caller, conversation_id) if is_uuid(conversation_id) else None
        if last is None:
            raise NoSuchConversation("There is no such conversation.", param="conversation_id")
        return JsonAnswer((await self._shown(caller.tenant, [last]))[0])

    async def conversations(self, request: Request, caller: Caller) -> Response:
        """List conversations."""
        query = request.query_params
        check_known(query, CONVERSATIONS)
        limit, cursor = page_limit(query.get("limit")), page_cursor(query.get("starting_after"))
        reach = await self._directory.reach(caller.tenant, caller.mode)
        numbers = await self._directory.numbers_reached(caller.tenant, reach)
        if (wanted := query.get("phone_number_id")) is not None:
            numbers = [number for number in numbers if number == wanted]
        last = await self._last(caller, cursor) if cursor is not None else None
        if cursor is not None and last is None:
            raise wrong("starting_after", "There is no such conversation.")
        after = last["_id"] if last is not None else None
        rows = await self._page(caller.tenant, query, numbers, limit + 1, after)
        shown = await self._shown(caller.tenant, rows[:limit])
        return JsonAnswer(listing(shown, limit) | {"has_more": len(rows) > limit})

    async def _last(self, caller: Caller, conversation_id: str) -> Document | None:
        reach = await self._directory.reach(caller.tenant, caller.mode)
        last = await self._reader.last(caller.tenant, conversation_id)
        return last if last is not None and reach.has_number(last["phone_number_id"]) else None

    async def _page(
        self, tenant: str, query: QueryParams, numbers: list[str], most: int, after: str | None
    ) -> list[Document]:
        """Return the newest messages of up to `most` conversations that fit the filters."""
        now, window = self._clock.now(), _window(query)
        if (contact_id := uuid(query, "contact_id")) is not None:
            rows = [row for row in await self._of(tenant, contact_id, numbers) if after is None or row["_id"] < after]
            return (await self._fitting(tenant, rows, window, now))[:most]
        found: list[Document] = []
        since = earliest_id(now - LONGEST_WINDOW) if window else None
        async for rows in self._reader.walk(tenant, numbers, after, since):
            found += await self._fitting(tenant, rows, window, now)
            if len(found) >= most:
                break
        return found[:most]

    async def _of(self, tenant: str, contact_id: str, numbers: list[str]) -> list[Document]:
        contact = await self._book.get(tenant, contact_id)
        ids = {contact_id} if contact is None else {contact["_id"], *contact.get("merged", [])}
        return await self._reader.of(tenant, [conversation_id_of(each, number) for each in ids for number in numbers])

    async def _fitting(self, tenant: str, rows: list[Document], window: bool | None, now: datetime) -> list[Document]:
        if window is None or not rows:
            return rows
        known = await self._book.many(tenant, {row["contact_id"] for row in rows})

        def is_open(row: Document) -> bool:
            contact = known.get(row["contact_id"])
            return contact is not None and contact_from(contact).window(row["phone_number_id"]).is_open(now)

        return [row for row in rows if is_open(row) is window]

    async def _shown(self, tenant: str, rows: list[Document]) -> list[Document]:
        known = await self._book.many(tenant, {row["contact_id"] for row in rows})
        ids = [row["conversation_id"] for row in rows]
        ends, handed_over = await self._reader.ends(tenant, ids), await self._talks.handed_over(tenant, ids)
        now = self._clock.now()
        return [
            views.conversation(row, end, known.get(row["contact_id"]), handed_over.get(row["conversation_id"]), now)
            for row, end in zip(rows, ends, strict=True)
        ]


def _window(query: QueryParams) -> bool | None:
    text = query.get("window")
    if text not in (None, "open", "closed"):
        raise wrong("window", "Must be one of open, closed.")
    return None if text is None else text == "open"
