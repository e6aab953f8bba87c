"""`DELETE /contacts/{contact_id}` and `DELETE /contacts?recipient=`: deletion of a person's data on request."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from libs.runtime.ids import is_uuid
from libs.web.answers import JsonAnswer
from libs.web.errors import wrong
from services.edge.api_keys import Scope
from services.edge.auth import Caller
from services.edge.common_things import CommonThings
from services.edge.erasures import Erasures
from services.edge.errors import NoSuchContact
from services.edge.idempotency import IdempotencyGuard, key_of
from services.edge.queries import check_known, recipient
from services.edge.routes.contacts import RECIPIENT
from services.edge.routes.endpoint import Endpoint


class ErasureRoutes:
    """Both answer 202 once the person is forgotten as a contact and the rest is noted to follow."""

    def __init__(self, erasures: Erasures, common: CommonThings, guard: IdempotencyGuard) -> None:
        self._erasures = erasures
        self._common = common
        self._guard = guard

    def endpoints(self, base: str) -> list[Endpoint]:
        """Return the endpoints."""
        return [
            Endpoint("DELETE", f"{base}/contacts/{{contact_id}}", Scope.WRITE, self.forget,
                     "Delete a person's data: who they are is forgotten everywhere, counts and costs stay.",
                     success=202),
            Endpoint("DELETE", f"{base}/contacts", Scope.WRITE, self.forget_by_name,
                     "The same of whoever has a number or user id, also where there is no contact.",
                     success=202, query=(RECIPIENT,)),
        ]  # fmt: skip

    async def forget(self, request: Request, caller: Caller) -> Response:
        """Forget a person, under any id that they ever had."""
        await self._common.check(caller)
        contact_id = request.path_params["contact_id"]

        async def begin() -> Response:
            row = await self._erasures.known(caller.tenant, contact_id) if is_uuid(contact_id) else None
            if row is None:
                raise NoSuchContact("There is no such contact.", param="contact_id")
            return await self._begin(row, caller)

        return await self._guard.once(caller.tenant, key_of(request, b""), begin)

    async def forget_by_name(self, request: Request, caller: Caller) -> Response:
        """Forget whoever has a name, whether we ever met them or not."""
        await self._common.check(caller)
        check_known(request.query_params, (RECIPIENT,))
        if (name := recipient(request.query_params)) is None:
            raise wrong("recipient", "The parameter is required: an E.164 phone number or a business-scoped user id.")

        async def begin() -> Response:
            return await self._begin(await self._erasures.named(caller.tenant, name), caller)

        # The person stands in the query: one key for two people must not leave the second as they are.
        return await self._guard.once(caller.tenant, key_of(request, name.encode()), begin)

    async def _begin(self, contact: dict[str, Any], caller: Caller) -> Response:
        await self._erasures.begin(contact, caller.key_id)
        return JsonAnswer({"id": contact["_id"], "object": "contact", "deleted": True}, 202)
