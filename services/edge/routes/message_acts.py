"""What can be done to a message that is there: mark it as read, or take it back."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from libs.runtime.ids import is_uuid
from libs.web.answers import JsonAnswer
from libs.web.bodies import parse, read_body
from services.edge import views
from services.edge.api_keys import Scope
from services.edge.auth import Caller
from services.edge.cancellations import Cancellations
from services.edge.errors import message_not_found
from services.edge.idempotency import IdempotencyGuard, key_of
from services.edge.receipts import Receipts
from services.edge.routes.endpoint import Endpoint


class ReadBody(BaseModel):
    """`POST /messages/{message_id}/read`: may be left out."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    typing_indicator: Annotated[
        bool, Field(description="Whether the person sees for up to 25 s that an answer is being written.")
    ] = False


class NoBody(BaseModel):
    """A call that takes nothing: no body, or an empty object."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class MessageActRoutes:
    """`POST /messages/{message_id}/read` and `/cancel`."""

    def __init__(self, receipts: Receipts, cancellations: Cancellations, guard: IdempotencyGuard) -> None:
        self._receipts = receipts
        self._cancellations = cancellations
        self._guard = guard

    def endpoints(self, base: str) -> list[Endpoint]:
        """Return the endpoints."""
        return [
            Endpoint(
                "POST", f"{base}/messages/{{message_id}}/read", Scope.SEND, self.read,
                "Mark an inbound message, and all before it, as read.", body=ReadBody, body_needed=False,
            ),
            Endpoint(
                "POST", f"{base}/messages/{{message_id}}/cancel", Scope.SEND, self.cancel,
                "Take back a message that is still queued.", body=NoBody, body_needed=False,
            ),
        ]  # fmt: skip

    async def read(self, request: Request, caller: Caller) -> Response:
        """Mark as read."""
        message_id, raw = await _asked(request)
        body = parse(ReadBody, raw or b"{}")

        async def mark() -> Response:
            await self._receipts.mark_read(caller.tenant, caller.mode, message_id, body.typing_indicator)
            typing = body.typing_indicator
            return JsonAnswer({"id": message_id, "object": "message", "read": True, "typing_indicator": typing})

        return await self._guard.once(caller.tenant, key_of(request, raw), mark)

    async def cancel(self, request: Request, caller: Caller) -> Response:
        """Cancel."""
        message_id, raw = await _asked(request)
        parse(NoBody, raw or b"{}")

        async def take_back() -> Response:
            return JsonAnswer(views.message(await self._cancellations.cancel(caller.tenant, message_id, caller.mode)))

        return await self._guard.once(caller.tenant, key_of(request, raw), take_back)


async def _asked(request: Request) -> tuple[str, bytes]:
    message_id = request.path_params["message_id"]
    raw = await read_body(request)
    if not is_uuid(message_id):
        raise message_not_found()
    return message_id, raw
