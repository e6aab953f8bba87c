"""Events and commands that edge tells: accounts, numbers and keys that changed, templates to sync."""

from datetime import datetime
from typing import Any

from libs.events.accounts import AccountChanged
from libs.events.envelope import Envelope
from libs.events.model import Event, Told
from libs.events.templates import SyncTemplates
from libs.events.topics import ACCOUNTS_CHANGED, TEMPLATES_COMMANDS
from libs.kafka.bus import Bus
from libs.kafka.events import outgoing
from libs.kafka.replays import marked
from libs.runtime.clock import Clock
from libs.runtime.ids import derived_id, new_id


class Announcements:
    """Publishes what changed; raises BusUnavailable when the broker does not take it."""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock

    async def changed(
        self, tenant: str, kind: str, change: str, *, replay: str | None = None, **ids: str | None
    ) -> None:  # fmt: skip
        """Tell every process that caches that this account, number, key or tenant changed; `replay` is its mark."""
        event = AccountChanged(kind=kind, change=change, at=self._clock.now(), **ids)
        subject = next((value for value in ids.values() if value), "")
        await self._publish(ACCOUNTS_CHANGED, ids.get("waba_id") or tenant, tenant, subject, new_id(), event, replay)

    async def sync_templates(self, tenant: str, waba_id: str, connected_at: datetime) -> None:
        """Ask for the templates of an account that was just connected; telling it twice is one sync."""
        event = SyncTemplates(waba_id=waba_id, reason="connected")
        event_id = derived_id("sync", waba_id, connected_at.isoformat())
        await self._publish(TEMPLATES_COMMANDS, waba_id, tenant, waba_id, event_id, event)

    async def connected(self, account: dict[str, Any]) -> None:
        """Tell all that a connection brings: the account changed, its templates are to be read."""
        await self.changed(account["tenant"], "account", "connected", waba_id=account["waba_id"])
        await self.sync_templates(account["tenant"], account["waba_id"], account["connected_at"])

    async def _publish(
        self, topic: str, key: str, tenant: str, subject: str, event_id: str, event: Event, replay: str | None = None
    ) -> None:  # fmt: skip
        envelope = Envelope(
            id=event_id, type=event.type_name(), source="edge", time=self._clock.now(), tenant=tenant, subject=subject
        )
        [told] = marked([outgoing(Told(topic, key, envelope, event))], replay)
        await self._bus.publish(topic, key=told.key, value=told.value, headers=told.headers)
