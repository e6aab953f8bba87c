"""The language of accounts, numbers and keys: what Meta said of them, and that they changed."""

from datetime import datetime
from typing import Any, ClassVar, Literal

from libs.events.model import Event
from libs.events.topics import ACCOUNTS_CHANGED, ACCOUNTS_COMMANDS


class ApplyAccountUpdate(Event):
    """Command: Meta said this about an account or a number (a webhook's change, field and value untouched)."""

    TOPICS: ClassVar[tuple[str, ...]] = (ACCOUNTS_COMMANDS,)

    waba_id: str
    field: str
    value: dict[str, Any]
    at: datetime


class StopAccount(Event):
    """Command: Graph refused the account's token or the number; sending from it stops until a person acts."""

    TOPICS: ClassVar[tuple[str, ...]] = (ACCOUNTS_COMMANDS,)

    waba_id: str
    phone_number_id: str | None = None
    code: str
    meta_code: int
    at: datetime


class AccountChanged(Event):
    """Event: an account, a number or a key changed; every process that caches it forgets what it holds.

    It says which thing changed, not how: readers look it up. `phone_number_id` and `key_id` narrow it down.
    """

    TOPICS: ClassVar[tuple[str, ...]] = (ACCOUNTS_CHANGED,)

    kind: Literal["account", "number", "key", "tenant"]
    change: Literal["connected", "reconnected", "updated", "stopped", "disconnected", "created", "rolled", "revoked"]
    waba_id: str | None = None
    phone_number_id: str | None = None
    key_id: str | None = None
    at: datetime
