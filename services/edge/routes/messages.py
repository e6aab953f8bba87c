"""Reading messages: one with its whole history, or a list with filters."""

from enum import StrEnum
from typing import Any

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from libs.directory.directory import Directory
from libs.events.messages import MessageStatus
from libs.ledger.contact_book import ContactBook
from libs.ledger.contacts import contact_id_of, conversation_id_of
from libs.ledger.reader import MessageFilter, MessageReader
from libs.ledger.talks import TalkReader
from libs.runtime.ids import is_uuid
from libs.web.answers import JsonAnswer
from libs.web.cursors import listing, page_cursor, page_limit
from services.edge import views
from services.edge.api_keys import Scope
from services.edge.auth import Caller
from services.edge.errors import message_not_found
from services.edge.queries import PAGE, check_known, moment, one_of, recipient, uuid
from services.edge.routes.endpoint import Endpoint

FILTERS = (
    ("direction", "`outbound` or `inbound`."),
    ("status", "A message status; outbound messages only."),
    ("phone_number_id", "One of your numbers."),
    ("recipient", "The person: E.164 phone number or business-scoped user id."),
    ("conversation_id", "One conversation."),
    ("campaign_id", "One campaign."),
    ("client_ref", "Your own reference."),
    ("type", "A message type."),
    ("from", "Created at or after this time (RFC 3339)."),
    ("to", "Created before this time (RFC 3339)."),
    *PAGE,
)


class Direction(StrEnum):
    """Which way a message went."""

    OUTBOUND = "outbound"
    INBOUND = "inbound"


class MessageReadRoutes:
    """`GET /messages/{message_id}` and `GET /messages`."""

    def __init__(self, reader: MessageReader, contacts: ContactBook, talks: TalkReader, directory: Directory) -> None:
        self._reader = reader
        self._talks = talks
        self._contacts = contacts
        self._directory = directory

    def endpoints(self, base: str) -> list[Endpoint]:
        """Return the endpoints."""
        return [
            Endpoint("GET", f"{base}/messages", Scope.READ, self.page, "List messages, newest first.", query=FILTERS),
            Endpoint("GET", f"{base}/messages/{{message_id}}", Scope.READ, self.get, "Read a message and its history."),
        ]

    async def get(self, request: Request, caller: Caller) -> Response:
        """Read one message."""
        message_id = request.path_params["message_id"]
        row = await self._reader.get(caller.tenant, message_id) if is_uuid(message_id) else None
        reach = await self._directory.reach(caller.tenant, caller.mode)
        if row is None or not reach.has_number(row["phone_number_id"]):
            raise message_not_found()
        return JsonAnswer((await self._shown(caller.tenant, [row]))[0])

    async def page(self, request: Request, caller: Caller) -> Response:
        """List messages."""
        query = request.query_params
        check_known(query, FILTERS)
        limit, after = page_limit(query.get("limit")), page_cursor(query.get("starting_after"))
        reach = await self._directory.reach(caller.tenant, caller.mode)
        numbers = await self._directory.numbers_reached(caller.tenant, reach)
        if (wanted := query.get("phone_number_id")) is not None:
            numbers = [number for number in numbers if number == wanted]
        found = MessageFilter(
            numbers=numbers,
            reach=reach,
            direction=one_of(query, "direction", Direction),
            status=one_of(query, "status", MessageStatus),
            conversations=await self._conversations(caller.tenant, query, numbers),
            campaign_id=uuid(query, "campaign_id"),
            client_ref=query.get("client_ref"),
            type=query.get("type"),
            since=moment(query, "from"),
            until=moment(query, "to"),
        )
        rows = await self._reader.page(caller.tenant, found, limit + 1, after)
        return JsonAnswer(listing(await self._shown(caller.tenant, rows), limit))

    async def _shown(self, tenant: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        inbound = [row["_id"] for row in rows if row["direction"] == "inbound"]
        decided = await self._talks.decisions(tenant, inbound)
        return [views.message(row, decided.get(row["_id"])) for row in rows]

    async def _conversations(self, tenant: str, query: QueryParams, numbers: list[str]) -> list[str] | None:
        if (given := uuid(query, "conversation_id")) is not None:
            return [given]
        if (person := recipient(query)) is None:
            return None
        known = await self._contacts.named(tenant, person)
        ids = {contact_id_of(tenant, person)} | ({known["_id"], *known.get("merged", [])} if known else set())
        return [conversation_id_of(contact_id, number) for contact_id in ids for number in numbers]
