"""What exists at Meta: apps, portfolios, accounts, numbers, tokens, templates, media, and people with a phone."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class App:
    """A Meta app: its secret signs the webhooks it gets."""

    id: str
    secret: str
    name: str = "Wabus"
    callback_url: str = ""
    verify_token: str = ""


@dataclass
class Portfolio:
    """A business portfolio: the messaging limit is its own, shared by all its numbers."""

    id: str
    name: str
    messaging_limit: int | None = 250  # unique users outside a window in 24 h; None: unlimited


@dataclass
class Account:
    """A WhatsApp Business Account; `subscriptions` maps a subscribed app to its callback override ("" = none)."""

    id: str
    portfolio_id: str
    name: str
    namespace: str
    currency: str = "USD"
    country: str = "US"
    status: str = "ACTIVE"
    review_status: str = "APPROVED"
    ban_state: str | None = None
    restrictions: list[str] = field(default_factory=list)
    subscriptions: dict[str, str] = field(default_factory=dict)


@dataclass
class Number:
    """A business phone number."""

    id: str
    waba_id: str
    portfolio_id: str
    display: str
    verified_name: str
    throughput: int = 80  # messages per second
    quality: str = "GREEN"
    status: str = "CONNECTED"
    registered: bool = True
    pin: str | None = None
    registrations: list[float] = field(default_factory=list)
    callback_override: str = ""
    allowed: list[str] | None = None  # a test number's recipients; None: anybody
    profile: dict[str, Any] = field(default_factory=dict)
    last_onboarded: float = 0.0
    is_on_biz_app: bool = False
    verified: bool = True
    code: str | None = None  # the verification code that was sent
    blocked: list[str] = field(default_factory=list)
    service_month: str = ""
    service_used: int = 0  # service messages in that month

    @property
    def digits(self) -> str:
        """Return the display number as digits, the way webhooks show it."""
        return "".join(c for c in self.display if c.isdigit())


@dataclass
class Token:
    """An access token of one app for some accounts of one portfolio."""

    token: str
    app_id: str
    portfolio_id: str
    waba_ids: list[str]
    issued_at: float
    kind: str = "SYSTEM_USER"
    expires_at: float = 0.0  # 0: never
    revoked: bool = False
    user_id: str = ""
    scopes: list[str] = field(default_factory=lambda: ["whatsapp_business_management", "whatsapp_business_messaging"])


@dataclass
class SignupCode:
    """A code of Embedded Signup: it works once, for 30 seconds."""

    code: str
    app_id: str
    portfolio_id: str
    waba_ids: list[str]
    expires_at: float
    used: bool = False


@dataclass
class Template:
    """A message template in one language."""

    id: str
    waba_id: str
    name: str
    language: str
    category: str
    components: list[dict[str, Any]]
    status: str = "PENDING"
    parameter_format: str = "POSITIONAL"
    rejected_reason: str = "NONE"
    quality: str = "UNKNOWN"
    previous_category: str | None = None
    correct_category: str | None = None
    ttl_seconds: int | None = None
    created_at: float = 0.0
    updated_at: float = 0.0
    edits: list[float] = field(default_factory=list)
    pauses: int = 0


@dataclass
class Media:
    """A file that was uploaded, or that a user sent; its bytes lie in the state directory."""

    id: str
    waba_id: str
    number_id: str
    mime_type: str
    sha256: str
    size: int
    expires_at: float


@dataclass
class Person:
    """A WhatsApp user: known by number, or by user id alone when a username hides the number."""

    key: str  # wa_id, or the user id of a person without a visible number
    name: str = ""
    hidden: bool = False
    username: str = ""
    stopped_marketing: list[str] = field(default_factory=list)  # portfolio ids
    blocked: list[str] = field(default_factory=list)  # phone number ids


@dataclass
class Thread:
    """What one number and one person have open: the service window and the free entry point."""

    number_id: str
    person: str
    last_inbound: float = 0.0
    referral_at: float = 0.0
    free_entry_until: float = 0.0
    free_entry_id: str = ""
