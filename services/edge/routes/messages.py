"""Reading messages: one with its whole history, or a list with filters."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from libs.directory.directory import Directory
from libs.events.messages import MessageStatus
from libs.ledger.contacts import ContactReader, alias, contact_id_of, conversation_id_of
from libs.ledger.reader import MessageFilter, MessageReader
from libs.runtime.ids import is_uuid
from libs.web.answers import JsonAnswer
from libs.web.cursors import listing, page_cursor, page_limit
from libs.web.errors import FieldProblem, Invalid, NotFound
from services.edge import views
from services.edge.api_keys import Scope
from services.edge.auth import Caller
from services.edge.recipients import WORDS, normalised
from services.edge.routes.endpoint import Endpoint

E = TypeVar("E", bound=StrEnum)

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
    ("limit", "1 to 100, default 20."),
    ("starting_after", "Id of the last row of the page before."),
)


class Direction(StrEnum):
    """Which way a message went."""

    OUTBOUND = "outbound"
    INBOUND = "inbound"


class MessageReadRoutes:
    """`GET /messages/{message_id}` and `GET /messages`."""

    def __init__(self, reader: MessageReader, contacts: ContactReader, directory: Directory) -> None:
        self._reader = reader
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
        if row is None:
            raise NotFound("There is no such message.", code="message_not_found", param="message_id")
        return JsonAnswer(views.message(row))

    async def page(self, request: Request, caller: Caller) -> Response:
        """List messages."""
        query = request.query_params
        if unknown := sorted(set(query) - {name for name, _ in FILTERS}):
            raise _invalid(unknown[0], f"This parameter is not known; there are {', '.join(n for n, _ in FILTERS)}.")
        limit, after = page_limit(query.get("limit")), page_cursor(query.get("starting_after"))
        numbers = [number.phone_number_id for number in await self._directory.numbers_of.get(caller.tenant)]
        if (wanted := query.get("phone_number_id")) is not None:
            numbers = [number for number in numbers if number == wanted]
        found = MessageFilter(
            numbers=numbers,
            direction=_one_of(query, "direction", Direction),
            status=_one_of(query, "status", MessageStatus),
            conversations=await self._conversations(caller.tenant, query, numbers),
            campaign_id=_uuid(query, "campaign_id"),
            client_ref=query.get("client_ref"),
            type=query.get("type"),
            since=_time(query, "from"),
            until=_time(query, "to"),
        )
        rows = await self._reader.page(caller.tenant, found, limit + 1, after)
        return JsonAnswer(listing([views.message(row) for row in rows], limit))

    async def _conversations(self, tenant: str, query: QueryParams, numbers: list[str]) -> list[str] | None:
        if (given := _uuid(query, "conversation_id")) is not None:
            return [given]
        if (typed := query.get("recipient")) is None:
            return None
        # A plus in a query string is a space unless it is escaped; people forget that.
        recipient = normalised(f"+{typed.strip()}" if typed.strip().isdigit() else typed)
        if recipient is None:
            raise _invalid("recipient", WORDS)
        known = (await self._contacts.find([(tenant, recipient)])).get(alias(tenant, recipient))
        ids = {contact_id_of(tenant, recipient)} | ({known.contact_id} if known else set())
        return [conversation_id_of(contact_id, number) for contact_id in ids for number in numbers]


def _one_of(query: QueryParams, name: str, kind: type[E]) -> E | None:
    text = query.get(name)
    try:
        return None if text is None else kind(text)
    except ValueError:
        raise _invalid(name, f"Must be one of {', '.join(kind)}.") from None


def _uuid(query: QueryParams, name: str) -> str | None:
    text = query.get(name)
    if text is not None and not is_uuid(text):
        raise _invalid(name, "Must be an id of ours (a UUID).")
    return text


def _time(query: QueryParams, name: str) -> datetime | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise _invalid(name, "Must be a time in RFC 3339, for example 2026-11-23T09:30:00Z.") from None
    if moment.tzinfo is None:
        raise _invalid(name, "Must have an offset, for example Z.")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise _invalid(name, "Must be a time that exists in UTC.") from None


def _invalid(name: str, words: str) -> Invalid:
    return Invalid(f"{name}: {words}", code="invalid_field", param=name, errors=[FieldProblem(name, words)])
