"""The sender's settings."""

from datetime import timedelta

from pydantic import Field

from libs.runtime.settings import GraphSettings


class Settings(GraphSettings):
    """What the sender needs beside the shared settings."""

    sender_lease: timedelta = Field(
        default=timedelta(seconds=40),
        description="How long a claim holds. Its first half is for starting the POST, its second for the answer.",
    )
    sender_reconcile_wait: timedelta = Field(
        default=timedelta(seconds=60), description="W: how long after the lease webhooks may still tell an outcome."
    )
    sender_no_flow_limit: timedelta = Field(
        default=timedelta(minutes=15), description="Without webhooks for so long an unknown message stays unknown."
    )
    sender_stopped_wait: timedelta = Field(
        default=timedelta(seconds=60), description="Between looks at a message whose account or number is stopped."
    )
    sender_look_every: timedelta = Field(default=timedelta(seconds=2), description="Between looks at an unknown one.")
    sender_sweep_every: timedelta = Field(default=timedelta(milliseconds=500), description="Between sweeps.")
    sender_window: int = Field(default=2_000, ge=10, description="Wake-ups under way at once in one sender.")
    sender_session_timeout: timedelta = Field(default=timedelta(seconds=30), description="Kafka session timeout.")
