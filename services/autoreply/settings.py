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
        default=64, ge=1, le=1_000, description="Conversations of bots that think which are thought about at once."
    )
    autoreply_thinking_per_bot: int = Field(
        default=8, ge=1, le=1_000, description="Of one bot: one whose endpoint hangs delays nobody else."
    )
    autoreply_session_timeout: timedelta = Field(
        default=timedelta(seconds=10), description="Without a heartbeat to Kafka the process is taken for dead."
    )
