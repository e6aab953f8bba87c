"""The settings of analytics."""

from datetime import timedelta

from pydantic import Field, SecretStr

from libs.runtime.settings import GraphSettings


class Settings(GraphSettings):
    """What analytics needs beside the shared settings."""

    internal_secret: SecretStr = Field(min_length=16, description="Signs the identity header between our services.")
    analytics_history_kept: timedelta = Field(
        default=timedelta(days=400), ge=timedelta(days=90),
        description="How long the history of single messages is kept; sums and cost lines are kept for ever.",
    )  # fmt: skip
    analytics_look_every: timedelta = Field(
        default=timedelta(seconds=1), ge=timedelta(milliseconds=100), le=timedelta(seconds=30),
        description="Between looks at how far counting is, and at messages that may be replies.",
    )  # fmt: skip
    analytics_reconcile_every: timedelta = Field(
        default=timedelta(days=1), ge=timedelta(seconds=1), le=timedelta(days=7),
        description="Between comparisons of an account's last days with what Meta says it charged.",
    )  # fmt: skip
    analytics_session_timeout: timedelta = Field(
        default=timedelta(seconds=30), description="Without a heartbeat to Kafka the process is taken for dead."
    )
