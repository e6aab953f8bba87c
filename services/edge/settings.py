"""Edge's settings."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field, SecretStr, field_validator

from libs.directory.addresses import networks
from libs.graph.media import META_HOSTS
from libs.ledger.record import FIRST_LOOK
from libs.runtime.access import Unset
from libs.runtime.settings import GraphSettings


class Settings(GraphSettings):
    """What edge needs beside the shared settings."""

    app_id: str = Field(min_length=1, description="Id of the Meta app that customers connect to.")
    app_secret: SecretStr = Field(min_length=16, description="Secret of that app; signs Meta's webhooks.")
    app_secret_previous: Annotated[SecretStr | None, Unset] = Field(
        default=None, min_length=16, description="The secret before a rotation, valid too."
    )
    verify_token: SecretStr = Field(min_length=1, description="What Meta says in the webhook handshake.")
    internal_secret: SecretStr = Field(min_length=16, description="Signs the identity header between our services.")
    public_url: str = Field(description="Where Meta reaches edge, for callbacks of foreign apps.")
    templates_url: str = Field(description="Address of the templates service.")
    notifier_url: str = Field(description="Address of the notifier.")
    campaigns_url: str = Field(description="Address of the campaigns service.")
    analytics_url: str = Field(description="Address of the analytics service.")
    autoreply_url: str = Field(description="Address of autoreply.")
    edge_key_rate: int = Field(default=2_000, ge=1, description="Requests per second that one key may make.")
    edge_tenant_rate: int = Field(default=10_000, ge=1, description="Requests per second of all keys of a tenant.")
    edge_failed_attempts: int = Field(
        default=600, ge=1, description="Calls per minute that one address may make with keys that are not valid."
    )
    edge_trusted_proxies: str = Field(
        default="", description="Networks whose X-Forwarded-For is believed, comma separated: those of load balancers."
    )
    edge_last_used_every: timedelta = Field(
        default=timedelta(seconds=15), description="How often the last use of keys is written."
    )
    edge_waiting_per_tenant: int = Field(default=250_000, ge=1, description="Messages a tenant may have waiting.")
    edge_waiting_in_all: int = Field(default=2_000_000, ge=1, description="Messages that may wait in all.")
    edge_webhook_deadline: timedelta = Field(
        default=timedelta(seconds=4.5), description="Longest wait for the broker before a webhook is answered 503."
    )
    edge_first_look: timedelta = Field(
        default=FIRST_LOOK,
        description="When the sweeper first looks at a message: longer than one may wait in its lane (30 s).",
    )
    edge_refresh_every: timedelta = Field(
        default=timedelta(hours=6), description="How often an account and its numbers are read from Meta again."
    )
    edge_forget_settles: timedelta = Field(
        default=timedelta(minutes=2), ge=timedelta(seconds=1),
        description="After a person was forgotten their data is looked for once more: longer than any write may hang.",
    )  # fmt: skip
    edge_audit_kept: timedelta = Field(
        default=timedelta(days=400), ge=timedelta(days=1), description="How long entries of the audit log are kept."
    )
    edge_docs: bool = Field(default=True, description="Whether /docs and /openapi.json are served.")
    edge_metrics: bool = Field(default=True, description="Whether /metrics is served on this address.")
    edge_media_hosts: str = Field(
        default=",".join(META_HOSTS),
        description="Hosts that media may be downloaded from, comma separated; a leading dot stands for all below it.",
    )

    @field_validator("edge_trusted_proxies")
    @classmethod
    def _networks(cls, text: str) -> str:
        networks(text)
        return text
