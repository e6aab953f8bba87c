"""What customers do with their endpoints: make, change, remove, rotate, try, and have things sent again."""

from datetime import datetime
from typing import Any

from libs.directory.directory import Directory
from libs.directory.vault import Vault
from libs.egress.addresses import Limits, UrlRefused
from libs.egress.rotation import Kept, RotateBody, SigningSecrets
from libs.runtime.clock import Clock
from libs.runtime.ids import is_uuid, new_id
from libs.web.errors import BadRequest, NotFound, wrong
from libs.web.identity import Identity
from services.notifier.bodies import CreateBody, ReplayBody, UpdateBody
from services.notifier.delivery_store import DeliveryStore, Span
from services.notifier.domain import DeliveryState, DisabledReason, EndpointStatus
from services.notifier.endpoint_store import MOST, EndpointStore, disabled, secret_field
from services.notifier.errors import EndpointDisabled, TooManyEndpoints
from services.notifier.event_types import pattern
from services.notifier.fan_out import FanOut
from services.notifier.notices import test_notice
from services.notifier.subscriptions import Subscriptions

MOST_REPLAYED = 100_000  # deliveries of one call: what one update does well within MongoDB's deadline

Document = dict[str, Any]


class Endpoints:
    """A tenant's endpoints. To the caller of a call another tenant's, and what is out of reach, does not exist."""

    def __init__(
        self,
        store: EndpointStore,
        deliveries: DeliveryStore,
        subscriptions: Subscriptions,
        fan_out: FanOut,
        directory: Directory,
        vault: Vault,
        limits: Limits,
        clock: Clock,
    ) -> None:
        self._store = store
        self._deliveries = deliveries
        self._subscriptions = subscriptions
        self._fan_out = fan_out
        self._directory = directory
        self._vault = vault
        self._limits = limits
        self._clock = clock

    async def create(self, caller: Identity, body: CreateBody) -> tuple[Document, str]:
        """Make an endpoint; -> it and its secret, which is shown this once. Raises Invalid, TooManyEndpoints."""
        self._check_url(body.url)
        tenant, now, endpoint_id = caller.tenant, self._clock.now(), new_id()
        secret, secrets = self._secrets(tenant, endpoint_id).first()
        row: Document = {
            "_id": endpoint_id,
            "tenant": tenant,
            "mode": caller.mode,
            "url": body.url,
            "events": body.events,
            "description": body.description,
            "phone_number_ids": body.phone_number_ids or [],
            "secrets": secrets,
            "failures": 0,
            "work": 0,
            "created_at": now,
            "updated_at": now,
        } | self._status(body.status)
        if not await self._store.add(row):
            raise TooManyEndpoints(f"A tenant may have {MOST} endpoints; delete one first.", more={"limit": MOST})
        self._subscriptions.forget(tenant)
        return row, secret

    async def get(self, caller: Identity, endpoint_id: str) -> Document:
        """Return one; raises NotFound."""
        reach = await self._directory.reach(caller.tenant, caller.mode)
        row = await self._store.get(caller.tenant, endpoint_id, reach) if is_uuid(endpoint_id) else None
        if row is None:
            raise _no_endpoint()
        return row

    async def page(self, caller: Identity, limit: int, after: str | None) -> list[Document]:
        """Return them, newest first."""
        reach = await self._directory.reach(caller.tenant, caller.mode)
        return await self._store.page(caller.tenant, limit, after, reach)

    async def update(self, caller: Identity, endpoint_id: str, body: UpdateBody) -> Document:
        """Set what was given; raises Invalid, NotFound. Enabling begins with a clean slate."""
        await self.get(caller, endpoint_id)
        for name in body.nulls():
            raise wrong(name, "Must not be null.")
        if body.url is not None:
            self._check_url(body.url)
        fields = {name: getattr(body, name) for name in body.model_fields_set}
        if "phone_number_ids" in fields:
            fields["phone_number_ids"] = fields["phone_number_ids"] or []
        if body.status is not None:
            fields |= self._status(body.status)
        row = await self._store.change(caller.tenant, endpoint_id, fields, self._clock.now())
        if row is None:
            raise _no_endpoint()
        if row["status"] == EndpointStatus.DISABLED:
            await self._deliveries.hold(endpoint_id)
        self._subscriptions.forget(caller.tenant)
        self._fan_out.wake()
        return row

    async def remove(self, caller: Identity, endpoint_id: str) -> None:
        """Forget an endpoint and all its deliveries; raises NotFound."""
        await self.get(caller, endpoint_id)
        await self._deliveries.forget(caller.tenant, endpoint_id)  # first: whoever is cut off here can ask again
        if not await self._store.remove(caller.tenant, endpoint_id):
            raise _no_endpoint()
        self._subscriptions.forget(caller.tenant)
        await self._deliveries.forget(caller.tenant, endpoint_id)  # and what came in meanwhile

    async def rotate(self, caller: Identity, endpoint_id: str, body: RotateBody) -> tuple[Document, str]:
        """Give it a new secret; the old ones sign too for the overlap. -> the endpoint and the secret."""

        async def current() -> Kept:
            kept: Kept = (await self.get(caller, endpoint_id))["secrets"]
            return kept

        async def replace(old: Kept, new: Kept, now: datetime) -> Document | None:
            return await self._store.rotate(caller.tenant, endpoint_id, old, new, now)

        return await self._secrets(caller.tenant, endpoint_id).rotate(
            current, replace, self._clock, body.overlap_seconds
        )

    async def test(self, caller: Identity, endpoint_id: str) -> Document:
        """Send a test event; -> its delivery. Raises NotFound, EndpointDisabled."""
        await self._enabled(caller, endpoint_id)
        return await self._fan_out.send(
            test_notice(caller.tenant, endpoint_id, new_id(), self._clock.now()), endpoint_id
        )

    async def log(
        self, caller: Identity, endpoint_id: str, state: DeliveryState | None, limit: int, after: str | None
    ) -> list[Document]:
        """Return an endpoint's deliveries, newest first; raises NotFound, BadRequest."""
        await self.get(caller, endpoint_id)
        rows = await self._deliveries.page(caller.tenant, endpoint_id, state, limit, after)
        if rows is None:
            words = "starting_after must be the id of the last row of the page before."
            raise BadRequest(words, param="starting_after")
        return rows

    async def replay_one(self, caller: Identity, endpoint_id: str, delivery_id: str) -> Document:
        """Send one delivery again, whatever became of it; raises NotFound, EndpointDisabled."""
        await self._enabled(caller, endpoint_id)
        tenant, now = caller.tenant, self._clock.now()
        row = await self._deliveries.send_again(tenant, endpoint_id, delivery_id, now) if is_uuid(delivery_id) else None
        if row is None:
            raise NotFound("There is no such delivery.", code="delivery_not_found", param="delivery_id")
        await self._fan_out.bump(endpoint_id)
        return row

    async def replay(self, caller: Identity, endpoint_id: str, body: ReplayBody) -> int:
        """Send again all that was stored in a span of time; -> how many. Raises Invalid, NotFound, EndpointDisabled."""
        await self._enabled(caller, endpoint_id)
        if body.until is not None and body.until <= body.since:
            raise wrong("until", "Must be later than since.")
        types = None if body.events is None else pattern(body.events)
        span = Span(body.since, body.until, types, body.status)
        if await self._deliveries.count(caller.tenant, endpoint_id, span, MOST_REPLAYED + 1) > MOST_REPLAYED:
            raise wrong("since", f"That is more than {MOST_REPLAYED} deliveries; replay a shorter time.")
        count = await self._deliveries.send_all_again(caller.tenant, endpoint_id, span, self._clock.now())
        await self._fan_out.bump(endpoint_id)
        return count

    async def _enabled(self, caller: Identity, endpoint_id: str) -> Document:
        row = await self.get(caller, endpoint_id)
        if row["status"] == EndpointStatus.DISABLED:
            raise EndpointDisabled('The endpoint is disabled; set its status to "enabled" first.')
        return row

    def _status(self, status: str) -> Document:
        if status == EndpointStatus.DISABLED:
            return disabled(DisabledReason.BY_REQUEST, self._clock.now())
        return {"status": EndpointStatus.ENABLED.value, "disabled_reason": None, "disabled_at": None}

    def _secrets(self, tenant: str, endpoint_id: str) -> SigningSecrets:
        return SigningSecrets(self._vault, tenant, secret_field(endpoint_id))

    def _check_url(self, url: str) -> None:
        try:
            self._limits.check(url)
        except UrlRefused as refused:
            raise wrong("url", str(refused)) from None


def _no_endpoint() -> NotFound:
    return NotFound("There is no such webhook endpoint.", code="webhook_endpoint_not_found", param="endpoint_id")
