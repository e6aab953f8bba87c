"""The settings of autoreply."""

from datetime import timedelta

from pydantic import Field, SecretStr

from libs.runtime.settings import BusSettings


class Settings(BusSettings):
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
    autoreply_session_timeout: timedelta = Field(
        default=timedelta(seconds=10), description="Without a heartbeat to Kafka the process is taken for dead."
    )
