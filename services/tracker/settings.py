"""The tracker's settings."""

from datetime import timedelta

from pydantic import Field

from libs.runtime.settings import BusSettings


class Settings(BusSettings):
    """What the tracker needs beside the shared settings."""

    tracker_note_every: timedelta = Field(
        default=timedelta(seconds=1), description="How often it notes up to when webhooks are applied."
    )
    tracker_session_timeout: timedelta = Field(default=timedelta(seconds=30), description="Kafka session timeout.")
