"""The settings of autoreply."""

from datetime import timedelta

from pydantic import Field, SecretStr

from libs.egress.settings import EgressSettings


class Settings(EgressSettings):
    """What autoreply needs beside the shared settings."""

    internal_secret: SecretStr = Field(min_length=16, description="Signs the identity header between our services.")
    autoreply_stale_after: timedelta = Field(
        default=timedelta(minutes=10), ge=timedelta(seconds=10),
        description="A message that is older than this when it is read is answered by nobody.",
    )  # fmt: skip
    autoreply_kept: timedelta = Field(
        default=timedelta(days=90), ge=timedelta(days=8),
        description="How long decisions are kept: longer than the topics, so that what is read again is known.",
    )  # fmt: skip
    autoreply_silent_for: timedelta = Field(
        default=timedelta(minutes=30), ge=timedelta(0),
        description="How long a bot is silent in a conversation after a person answered there through the API.",
    )  # fmt: skip
    autoreply_thinking_at_once: int = Field(
        default=256, ge=1, le=10_000, description="Conversations that bots think about at once, in one process."
    )
    autoreply_thinking_per_tenant: int = Field(
        default=32, ge=1, le=10_000, description="Of one tenant: so many that hang keep no other tenant waiting."
    )
    autoreply_thinking_per_bot: int = Field(
        default=8, ge=1, le=10_000, description="Of one bot: one whose endpoint hangs keeps no other bot waiting."
    )
    autoreply_session_timeout: timedelta = Field(
        default=timedelta(seconds=10), description="Without a heartbeat to Kafka the process is taken for dead."
    )
