"""Meta's webhooks in: which secrets sign them, and the raw body into Kafka before the answer."""

import hmac
from collections.abc import Sequence

from libs.directory.directory import Directory
from libs.events.envelope import Envelope
from libs.events.topics import META_WEBHOOKS
from libs.events.webhooks import RAW_WEBHOOK_TYPE
from libs.kafka.bus import Bus, BusUnavailable, Outgoing
from libs.observability import tracing
from libs.runtime.clock import Clock
from libs.runtime.gather import Gather
from libs.runtime.ids import new_id
from libs.web.errors import NotFound, Unavailable
from services.edge.interruptions import Interruptions

LINGER = 0.005  # seconds a body waits for others: ready-made batches cost a tenth of single records
MOST = 200  # bodies a group; Kafka takes them in requests of at most 4 MB
PARALLEL = 16  # groups under way: one slow partition must not hold up the others


class NotDurable(Unavailable):
    """The broker did not take the body in time: Meta delivers it again."""


class WebhookDoor:
    """A part: publishes webhook bodies, byte for byte, as one record each."""

    def __init__(
        self,
        bus: Bus,
        directory: Directory,
        interruptions: Interruptions,
        clock: Clock,
        secrets: list[str],
        verify_token: str,
        deadline: float,
    ) -> None:
        self._bus = bus
        self._directory = directory
        self._interruptions = interruptions
        self._clock = clock
        self._secrets = secrets
        self._verify_token = verify_token
        self._deadline = deadline
        self._gather: Gather[Outgoing, None] = Gather(self._publish, linger=LINGER, most=MOST, parallel=PARALLEL)

    async def start(self) -> None:
        """Groups form as bodies come."""

    async def stop(self) -> None:
        """Publish what waits."""
        await self._gather.drain()

    def knows(self, verify_token: str) -> bool:
        """Tell whether a handshake's token is ours."""
        return hmac.compare_digest(verify_token.encode("utf-8", "replace"), self._verify_token.encode())

    async def signers(self, account_id: str | None) -> tuple[list[str], str]:
        """Return the secrets that may sign, and the tenant they speak for.

        Our app's speak for all (an empty tenant), that of the account whose own path was called for its tenant. Raises
        NotFound where there is no such account with an app of its own.
        """
        if account_id is None:
            return self._secrets, ""
        account = await self._directory.account_paths.get(account_id)
        if account is None or account.app_secret is None:
            raise NotFound("There is nothing at this path.", code="no_such_path")
        return [account.app_secret.get_secret_value()], account.tenant

    async def publish(self, raw: bytes, key: bytes, tenant: str = "") -> None:
        """Publish a body; returns after the broker's ack, raises NotDurable without one in time.

        `tenant` binds it to one tenant: what was signed with a secret that a tenant holds speaks for that tenant only.
        """
        envelope = Envelope(
            id=new_id(), type=RAW_WEBHOOK_TYPE, source="edge", time=self._clock.now(), tenant=tenant,
            traceparent=tracing.current() or "",
        )  # fmt: skip
        await self._gather(Outgoing(META_WEBHOOKS, key or None, raw, envelope.headers()))

    async def _publish(self, records: Sequence[Outgoing]) -> Sequence[Exception | None]:
        # Each record's own deadline began up to LINGER earlier: a few milliseconds of some seconds.
        try:
            await self._bus.publish_many(records, timeout=self._deadline)
        except BusUnavailable:
            self._interruptions.happened()
            refusal = NotDurable("The body could not be stored; deliver it again.", retry_after=1)
            return [refusal] * len(records)
        return [None] * len(records)
