"""The hot routes: messages in, and Meta's webhook. Plain functions, without the framework's stack."""

from collections.abc import Awaitable

from starlette.requests import Request
from starlette.responses import Response

from libs.events.messages import Lane
from libs.graph.signature import HEADER, is_signed
from libs.graph.webhooks import routing_key
from libs.ledger.intake import OutcomeUnknown, Stored
from libs.requests.kinds import KINDS, Kind
from libs.web.answers import Answer, JsonAnswer, PlainAnswer
from libs.web.bodies import parse, read_body
from libs.web.errors import Forbidden, Unauthenticated
from libs.web.headers import header
from services.edge.api_keys import Scope
from services.edge.auth import Caller
from services.edge.bulk import BulkBody, BulkIntake
from services.edge.idempotency import REPLAYED, check_same, key_of
from services.edge.messages import Asked, MessageIntake, unclear
from services.edge.metrics import ACCEPTED, WEBHOOKS
from services.edge.routes.endpoint import CallerHandler, Endpoint
from services.edge.views import accepted
from services.edge.webhooks import NotDurable, WebhookDoor

SIGNATURE = HEADER.lower().encode()
TAKEN = WEBHOOKS.labels("taken")
BY_REST = {lane.value: ACCEPTED.labels(lane.value, "rest") for lane in Lane}
WEBHOOK_LIMIT = 3 * 1024 * 1024 + 64 * 1024  # bytes: Meta's 3 MB, taken whole


class MessageRoutes:
    """`POST /messages` and its siblings: one for every kind of message, and one for many of them."""

    def __init__(self, messages: MessageIntake, bulk: BulkIntake) -> None:
        self._messages = messages
        self._bulk = bulk

    def endpoints(self, base: str) -> list[Endpoint]:
        """Return the endpoints."""
        return [
            *(
                Endpoint(
                    "POST", f"{base}/messages{kind.path}", Scope.SEND, self._taking(kind), kind.summary, body=kind.body,
                    success=202,
                )
                for kind in KINDS
            ),
            Endpoint(
                "POST", f"{base}/messages/bulk", Scope.SEND, self.bulk, "Send up to 500 messages, each with an answer.",
                body=BulkBody, success=202,
            ),
        ]  # fmt: skip

    def _taking(self, kind: Kind) -> CallerHandler:
        async def take(request: Request, caller: Caller) -> Response:
            asked, raw = await _asked(request, caller)
            return await _answer(asked, self._messages.accept(asked, parse(kind.body, raw)))

        return take

    async def bulk(self, request: Request, caller: Caller) -> Response:
        """Accept or refuse each of many messages."""
        asked, raw = await _asked(request, caller)
        rows = await self._bulk.accept(asked, parse(BulkBody, raw).messages)
        return JsonAnswer({"object": "list", "data": rows}, 202)


class WebhookRoutes:
    """`GET` and `POST /webhooks/whatsapp`, and the same below it for accounts of foreign apps."""

    def __init__(self, webhooks: WebhookDoor) -> None:
        self._webhooks = webhooks

    async def handshake(self, request: Request) -> Response:
        """Answer Meta's question whether we are the ones who subscribed."""
        query = request.query_params
        if query.get("hub.mode") == "subscribe" and self._webhooks.knows(query.get("hub.verify_token", "")):
            return Answer(query.get("hub.challenge", "")[:1024].encode(), media=b"text/plain; charset=utf-8")
        raise Forbidden("The verify token is not ours.", code="wrong_verify_token")

    async def take(self, request: Request) -> Response:
        """Take a webhook: signature first, durable second, 200 third."""
        raw = await read_body(request, WEBHOOK_LIMIT)
        signature = header(request, SIGNATURE) or b""
        secrets, tenant = await self._webhooks.signers(request.path_params.get("account"))
        if not is_signed(raw, signature, secrets):
            WEBHOOKS.labels("unsigned").inc()
            raise Unauthenticated("The signature is missing or wrong.", code="invalid_signature")
        try:
            await self._webhooks.publish(raw, routing_key(raw), tenant)
        except NotDurable:
            WEBHOOKS.labels("not_durable").inc()
            raise
        TAKEN.inc()
        return Answer()


async def _asked(request: Request, caller: Caller) -> tuple[Asked, bytes]:
    raw = await read_body(request)
    idempotency = key_of(request, raw)
    return Asked(caller.tenant, caller.mode, request.scope["wabus.request_id"], idempotency), raw


async def _answer(asked: Asked, storing: Awaitable[Stored]) -> Response:
    try:
        stored = await storing
    except OutcomeUnknown:
        raise unclear() from None
    if not stored.replayed:
        BY_REST[stored.document["lane"]].inc()
        return PlainAnswer(accepted(stored.document), 202)
    check_same(stored.document, asked.idempotency)
    return PlainAnswer(accepted(stored.document), 202, {REPLAYED: "true"})
