"""What the directory knows: keys, accounts, numbers and templates, as every service reads them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import SecretStr

from libs.directory.addresses import Network


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """An API key: who it is, what it may do and until when. The secret is only known by its SHA-256.

    `allowed` are the networks that it may come from (none: any), `rate` its own requests per second.
    """

    key_id: str
    tenant: str
    mode: str
    scopes: frozenset[str]
    secret_hash: str
    expires_at: datetime | None
    revoked_at: datetime | None
    allowed: tuple[Network, ...] = ()
    rate: int | None = None


@dataclass(frozen=True, slots=True)
class AccountEntry:
    """A connected WABA with its decrypted credentials."""

    tenant: str
    waba_id: str
    status: str
    access_token: SecretStr
    app_secret: SecretStr | None
    portfolio_id: str
    messaging_limit: int | None
    at_most_once: bool
    sandbox: bool
    stop_reason: str | None

    @property
    def active(self) -> bool:
        """Whether it may send."""
        return self.status == "active"


@dataclass(frozen=True, slots=True)
class NumberEntry:
    """A business phone number: whose it is, how fast it may send (messages per second), Meta's quality rating, and the
    bot that answers where it is switched on.
    """

    phone_number_id: str
    tenant: str
    waba_id: str
    status: str
    throughput: int
    stop_reason: str | None
    quality: str | None = None
    bot_id: str | None = None
    autoreply: bool = False

    @property
    def active(self) -> bool:
        """Whether it may send."""
        return self.status == "connected"

    @property
    def answering_bot(self) -> str | None:
        """The bot that answers, None where there is none or it is switched off."""
        return self.bot_id if self.autoreply else None


@dataclass(frozen=True, slots=True)
class TemplateEntry:
    """A template as the projection of the templates service has it."""

    tenant: str
    waba_id: str
    name: str
    language: str
    status: str
    category: str
    parameter_format: str
    components: list[dict[str, Any]] = field(default_factory=list)
