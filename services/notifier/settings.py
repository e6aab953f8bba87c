"""The notifier's settings."""

from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import NoDecode

from libs.egress.settings import EgressSettings
from libs.runtime.settings import listed

# Some seconds for a receiver that restarts, then further and further apart: three days and three hours in all.
RETRIES = "PT5S,PT5M,PT30M,PT2H,PT5H,PT10H,PT14H,PT20H,PT24H"


class Settings(EgressSettings):
    """What the notifier needs beside the shared settings."""

    internal_secret: SecretStr = Field(min_length=16, description="Signs the identity header between our services.")
    notifier_timeout: timedelta = Field(
        default=timedelta(seconds=15), ge=timedelta(seconds=1), le=timedelta(seconds=60),
        description="Longest attempt, from the name's look-up to the answer.",
    )  # fmt: skip
    notifier_retries: Annotated[tuple[timedelta, ...], NoDecode, listed()] = Field(
        default=RETRIES, validate_default=True,  # read like the variable
        description="Waits before the second attempt and each later one (ISO 8601, comma separated).",
    )  # fmt: skip
    notifier_disable_after: timedelta = Field(
        default=timedelta(days=5), description="An endpoint that failed for so long without a success is disabled."
    )
    notifier_kept: timedelta = Field(default=timedelta(days=30), description="How long deliveries are kept.")
    notifier_oldest: timedelta = Field(
        default=timedelta(days=7),
        description="Older events are not sent: history that is read again. Less than deliveries are kept.",
    )
    notifier_per_endpoint: int = Field(default=4, ge=1, le=32, description="Attempts under way at one endpoint.")
    notifier_endpoints_at_once: int = Field(
        default=200, ge=2, le=2_000, description="Endpoints served at once; half of them may be failing ones."
    )
    notifier_look_every: timedelta = Field(
        default=timedelta(seconds=5),
        description="Between looks for what another process left; new events and our own retries wake at once.",
    )
    notifier_circuit_first: timedelta = Field(
        default=timedelta(seconds=10), description="Pause of an endpoint that fails again and again; it doubles."
    )
    notifier_circuit_longest: timedelta = Field(default=timedelta(minutes=5), description="The longest such pause.")
    notifier_session_timeout: timedelta = Field(
        default=timedelta(seconds=30), description="Without a heartbeat to Kafka the process is taken for dead."
    )

    @model_validator(mode="after")
    def _keeps_what_it_must_recognise(self) -> Self:
        """History is told from news by its delivery: that one has to be there still."""
        if self.notifier_oldest >= self.notifier_kept:
            raise ValueError("WABUS_NOTIFIER_OLDEST must be less than WABUS_NOTIFIER_KEPT")
        return self
