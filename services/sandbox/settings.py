"""The sandbox's settings."""

from pathlib import Path

from pydantic import Field, SecretStr

from libs.runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """What the sandbox needs: where its state lives, where webhooks go, and the app that Wabus is to Meta."""

    sandbox_state: Path = Field(description="Directory that holds everything the sandbox remembers.")
    sandbox_webhook_url: str = Field(pattern=r"^https?://", description="The shared app's callback: webhooks go there.")
    sandbox_seed: int | None = Field(default=None, description="Seed of delays, shares and faults; none: the system's.")
    app_id: str = Field(pattern=r"^\d+$", description="Id of the shared Meta app.")
    app_secret: SecretStr = Field(min_length=1, description="Secret of the shared app: signs its webhooks.")
    verify_token: SecretStr = Field(min_length=1, description="Verify token of the shared app's callback.")
