"""The hot routes: messages in, and Meta's webhook. Plain functions, without the framework's stack."""

from collections.abc import Awaitable

from starlette.requests import Request
from starlette.responses import Response

from libs.events.messages import Lane
from libs.graph.signature import HEADER, is_signed
from libs.graph.webhooks import routing_key
from libs.ledger.intake import OutcomeUnknown, Stored
from libs.web.answers import Answer, PlainAnswer
from libs.web.bodies import parse, read_body
from libs.web.errors import Forbidden, OutcomeUnclear, Unauthenticated
from services.edge.api_keys import Scope
from services.edge.auth import Caller
from services.edge.bodies import TemplateBody, TextBody
from services.edge.idempotency import REPLAYED, key_of, reused
from services.edge.messages import Asked, MessageIntake
from services.edge.metrics import ACCEPTED, WEBHOOKS
from services.edge.routes.endpoint import Endpoint
from services.edge.views import accepted
from services.edge.webhooks import NotDurable, WebhookDoor

TAKEN = WEBHOOKS.labels("taken")
BY_REST = {lane.value: ACCEPTED.labels(lane.value, "rest") for lane in Lane}
WEBHOOK_LIMIT = 3 * 1024 * 1024 + 64 * 1024  # bytes: Meta's 3 MB, taken whole


class MessageRoutes:
    """`POST /messages` and `POST /messages/template`."""

    def __init__(self, messages: MessageIntake) -> None:
        self._messages = messages

    def endpoints(self, base: str) -> list[Endpoint]:
        """Return the endpoints."""
        return [
            Endpoint(
                "POST", f"{base}/messages", Scope.SEND, self.text, "Send a text inside the customer service window.",
                body=TextBody, success=202,
            ),
            Endpoint(
                "POST", f"{base}/messages/template", Scope.SEND, self.template, "Send an approved template.",
                body=TemplateBody, success=202,
            ),
        ]  # fmt: skip

    async def text(self, request: Request, caller: Caller) -> Response:
        """Accept a text."""
        asked, raw = await _asked(request, caller)
        return await _answer(asked, self._messages.text(asked, parse(TextBody, raw)))

    async def template(self, request: Request, caller: Caller) -> Response:
        """Accept a template."""
        asked, raw = await _asked(request, caller)
        return await _answer(asked, self._messages.template(asked, parse(TemplateBody, raw)))


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
        signature = request.headers.get(HEADER, "").encode("latin-1", "replace")
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
    idempotency = key_of(request.headers, "POST", request.scope["path"], raw)
    return Asked(caller.tenant, caller.mode, request.scope["wabus.request_id"], idempotency), raw


async def _answer(asked: Asked, storing: Awaitable[Stored]) -> Response:
    try:
        stored = await storing
    except OutcomeUnknown:
        words = "The message may or may not have been stored. Ask again with the same Idempotency-Key."
        raise OutcomeUnclear(words, retry_after=2) from None
    if not stored.replayed:
        BY_REST[stored.document["lane"]].inc()
        return PlainAnswer(accepted(stored.document), 202)
    first = stored.document.get("idempotency")
    if asked.idempotency is not None and first and first["fingerprint"] != asked.idempotency.fingerprint:
        raise reused()
    return PlainAnswer(accepted(stored.document), 202, {REPLAYED: "true"})
