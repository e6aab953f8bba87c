"""The REST side of autoreply, reached through edge only."""

from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from libs.directory.directory import Directory
from libs.egress.rotation import RotateBody
from libs.ledger.conversations import ConversationReader
from libs.runtime.clock import Clock
from libs.runtime.ids import is_uuid
from libs.web.answers import Answer, JsonAnswer
from libs.web.bodies import parse, read_body
from libs.web.calls import PAGE, READ, WRITE, Call
from libs.web.cursors import listing, page_cursor, page_limit
from libs.web.identity import Identity
from services.autoreply.bots import Bots
from services.autoreply.create_bodies import KINDS, CreateBody, UpdateBody, body_in, given_in
from services.autoreply.errors import NoSuchConversation
from services.autoreply.handover import Handover
from services.autoreply.spending_store import SpendingStore
from services.autoreply.talk_store import TalkStore
from services.autoreply.thoughts import spent_today

ONE = "/{bot_id}"
DECISION = (
    "bot_id", "conversation_id", "phone_number_id", "at", "outcome", "rule", "handover", "answered_with", "thought",
    "refused",
)  # fmt: skip

Document = dict[str, Any]


class BotRoutes:
    """`/bots` and what is below."""

    def __init__(self, bots: Bots, talks: TalkStore, spending: SpendingStore, clock: Clock) -> None:
        self._bots = bots
        self._talks = talks
        self._spending = spending
        self._clock = clock

    def calls(self) -> list[Call]:
        """Return the calls below `/bots`."""
        return [
            Call("POST", "", WRITE, self.create, "Make a bot.", 201, CreateBody),
            Call("GET", "", READ, self.page, "List bots, newest first.", query=PAGE),
            Call("GET", ONE, READ, self.get, "Read a bot."),
            Call("PATCH", ONE, WRITE, self.update, "Change a bot; in force within five seconds.", 200, UpdateBody),
            Call("DELETE", ONE, WRITE, self.remove, "Delete a bot that no number is linked to.", 204),
            Call("POST", f"{ONE}/rotate_secret", WRITE, self.rotate,
                 "Give a webhook bot a new signing secret; the old one signs too for a while.", 200, RotateBody),
            Call("GET", f"{ONE}/decisions", READ, self.decisions,
                 "What the bot decided on each message, newest first.", query=PAGE),
        ]  # fmt: skip

    async def create(self, request: Request, caller: Identity) -> Response:
        """Make one."""
        bot, secret = await self._bots.create(caller, body_in(await read_body(request)))
        return JsonAnswer(_bot(bot) | ({"signing_secret": secret} if secret is not None else {}), 201)

    async def page(self, request: Request, caller: Identity) -> Response:
        """List them."""
        limit, after = _page(request)
        rows = await self._bots.page(caller, limit + 1, after)
        return JsonAnswer(listing([_bot(row) for row in rows], limit))

    async def get(self, request: Request, caller: Identity) -> Response:
        """Read one."""
        bot, now = await self._bots.get(caller, _id(request)), self._clock.now()
        spent = (
            {"spent_today": spent_today(bot, await self._spending.spent(bot, now))} if bot["kind"] == "model" else {}
        )
        return JsonAnswer(_bot(bot) | spent)

    async def update(self, request: Request, caller: Identity) -> Response:
        """Change one."""
        given = given_in(await read_body(request))
        return JsonAnswer(_bot(await self._bots.update(caller, _id(request), given)))

    async def rotate(self, request: Request, caller: Identity) -> Response:
        """Give it a new secret."""
        body = parse(RotateBody, await read_body(request) or b"{}")
        bot, secret = await self._bots.rotate(caller, _id(request), body)
        return JsonAnswer(_bot(bot) | {"signing_secret": secret})

    async def remove(self, request: Request, caller: Identity) -> Response:
        """Delete one."""
        await self._bots.remove(caller, _id(request))
        return Answer(status_code=204)

    async def decisions(self, request: Request, caller: Identity) -> Response:
        """List decisions."""
        bot, (limit, after) = await self._bots.get(caller, _id(request)), _page(request)
        rows = await self._talks.page(caller.tenant, bot["_id"], limit + 1, after, await self._bots.reach(caller))
        return JsonAnswer(listing([_decision(row) for row in rows], limit))


class HandoverRoutes:
    """`/conversations/{conversation_id}/handover`."""

    def __init__(self, handover: Handover, conversations: ConversationReader, directory: Directory) -> None:
        self._handover = handover
        self._directory = directory
        self._conversations = conversations

    def calls(self) -> list[Call]:
        """Return the calls."""
        one = "/{conversation_id}/handover"
        return [
            Call("POST", one, WRITE, self.hand_over, "Let a person answer: no bot does from now on."),
            Call("DELETE", one, WRITE, self.hand_back, "Let the bot answer again."),
        ]

    async def hand_over(self, request: Request, caller: Identity) -> Response:
        """Hand over to a person."""
        last = await self._last(request, caller)
        return _handed_over(last, await self._handover.to_agent(caller.tenant, last))

    async def hand_back(self, request: Request, caller: Identity) -> Response:
        """Hand back to the bot."""
        last = await self._last(request, caller)
        await self._handover.to_bot(caller.tenant, last)
        return _handed_over(last, None)

    async def _last(self, request: Request, caller: Identity) -> Document:
        conversation_id = str(request.path_params["conversation_id"])
        last = await self._conversations.last(caller.tenant, conversation_id) if is_uuid(conversation_id) else None
        reach = await self._directory.reach(caller.tenant, caller.mode)
        if last is None or not reach.has_number(last["phone_number_id"]):
            raise NoSuchConversation("There is no such conversation.", param="conversation_id")
        return last


def _handed_over(last: Document, at: datetime | None) -> Response:
    return JsonAnswer({"conversation_id": last["conversation_id"], "object": "handover", "handed_over_at": at})


def _id(request: Request) -> str:
    return str(request.path_params["bot_id"])


def _page(request: Request) -> tuple[int, str | None]:
    query = request.query_params
    return page_limit(query.get("limit")), page_cursor(query.get("starting_after"))


def _bot(row: Document) -> Document:
    shown = {"id": row["_id"], "object": "bot", "kind": row["kind"], "mode": row.get("mode")}
    shown |= {name: row.get(name) for name in KINDS[row["kind"]].model_fields}
    if row["kind"] == "model":
        key = row.get("key")
        shown["model"] = row["model"] | {"has_key": key is not None, "key_ends_in": key["ends_in"] if key else None}
    return shown | {name: row[name] for name in ("created_at", "updated_at")}


def _decision(row: Document) -> Document:
    shown = {"id": row["_id"], "object": "bot_decision", "message_id": row["_id"], "answer_ids": row.get("answers", [])}
    return shown | {name: row.get(name) for name in DECISION}
