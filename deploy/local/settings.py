"""What the caller's environment says to the local stack, read in one place."""

import os
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.runtime.access import PREFIX, KafkaAccess, MongoAccess


class LocalSettings(KafkaAccess, MongoAccess, BaseSettings):
    """Servers of one's own, and where downloads are kept."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, hide_input_in_errors=True)

    kafka_bootstrap: str | None = Field(default=None, description="Kafka to use in place of an embedded one.")
    mongo_url: str | None = Field(default=None, description="MongoDB to use in place of an embedded one.")
    xdg_cache_home: Path | None = Field(default=None, validation_alias="XDG_CACHE_HOME", description="User's caches.")

    @property
    def cache(self) -> Path:
        """Return the folder for what is downloaded once per user."""
        return (self.xdg_cache_home or Path.home() / ".cache") / "wabus"


def outside_environment() -> dict[str, str]:
    """Return the caller's environment without our own variables: what every process of the stack starts from."""
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}


def given_variables() -> dict[str, str]:
    """Return those of our variables that the caller set, such as a knob of one service."""
    return {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
