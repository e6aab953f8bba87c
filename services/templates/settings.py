"""The templates service's settings."""

from datetime import timedelta

from pydantic import Field, SecretStr

from libs.runtime.settings import GraphSettings


class Settings(GraphSettings):
    """What the templates service needs beside the shared settings."""

    internal_secret: SecretStr = Field(min_length=16, description="Signs the identity header between our services.")
    templates_retry_every: timedelta = Field(
        default=timedelta(seconds=10), description="Between looks for syncs that Meta could not answer."
    )
