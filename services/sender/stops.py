"""Telling edge that Graph does not serve an account or a number any more; edge stops it, every sender obeys."""

from typing import Any

from libs.events.accounts import StopAccount
from libs.events.envelope import Envelope
from libs.events.topics import ACCOUNTS_COMMANDS
from libs.kafka.bus import Bus
from libs.runtime.clock import Clock
from libs.runtime.ids import new_id
from services.sender.decisions import Stop
from services.sender.patience import patiently

AGAIN = 30.0  # seconds: one stop is told once, not by every message of the account


class AccountStops:
    """Publishes StopAccount commands."""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._told: dict[str, float] = {}

    async def stop(self, record: dict[str, Any], stop: Stop, code: str, meta_code: int) -> None:
        """Ask for the record's account, or only its number, to be stopped."""
        number = record["phone_number_id"] if stop is Stop.NUMBER else None
        subject, now = number or record["waba_id"], self._clock.monotonic()
        if now - self._told.get(subject, -AGAIN) < AGAIN:
            return
        self._told[subject] = now
        event = StopAccount(
            waba_id=record["waba_id"], phone_number_id=number, code=code, meta_code=meta_code, at=self._clock.now()
        )
        envelope = Envelope(
            id=new_id(), type=event.type_name(), source="sender", time=event.at, tenant=record["tenant"],
            subject=subject, causationid=record["_id"],
        )  # fmt: skip
        key, value, headers = record["waba_id"].encode(), event.to_bytes(), envelope.headers()
        await patiently(lambda: self._bus.publish(ACCOUNTS_COMMANDS, key=key, value=value, headers=headers), "stop")
