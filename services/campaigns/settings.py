"""The settings of the campaigns service."""

from datetime import timedelta

from pydantic import Field, SecretStr

from libs.runtime.settings import BusSettings


class Settings(BusSettings):
    """What the campaigns service needs beside the shared settings."""

    internal_secret: SecretStr = Field(min_length=16, description="Signs the identity header between our services.")
    campaigns_ahead: timedelta = Field(
        default=timedelta(seconds=10), ge=timedelta(seconds=1), le=timedelta(days=7),
        description="How much work of a campaign may wait in the ledger, in seconds of its number's rate. More than a "
        "minute is for restoring a copy of MongoDB only.",
    )  # fmt: skip
    campaigns_round_every: timedelta = Field(
        default=timedelta(milliseconds=250), description="Between rounds of an idle fan-out."
    )
    campaigns_session_timeout: timedelta = Field(
        default=timedelta(seconds=30), description="Without a heartbeat to Kafka the process is taken for dead."
    )
