"""The settings that every service shares, read once from the environment at start."""

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.runtime.access import PREFIX, KafkaAccess, MongoAccess, Unset
from libs.runtime.errors import StartRefused
from libs.runtime.file_settings import SecretFiles, secret_file_problems

META_HOST = "graph.facebook.com"
PUBLISHED = "sandbox-only"  # is in every secret of deploy/docker/sandbox-secrets, and the id of the key of its ring

T = TypeVar("T", bound=BaseSettings)
M = TypeVar("M", bound=BaseModel)

__all__ = ["PREFIX", "BusSettings", "GraphSettings", "ServiceSettings", "listed", "read_settings", "validated"]


def listed(kind: Callable[[str], Any] = str) -> BeforeValidator:
    """Read a comma separated variable."""

    def read(value: Any) -> Any:
        return [kind(part.strip()) for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    return BeforeValidator(read)


def _collector(value: Any) -> Any:
    parts = urlsplit(value) if isinstance(value, str) else None
    if parts is not None and (parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc):
        raise ValueError("has to be an address like http://collector:4318/v1/traces, without user and password")
    return value


class ServiceSettings(SecretFiles):
    """What every process needs to know; a service's own `Settings` adds its knobs.

    Each field is the environment variable `WABUS_<FIELD>`, or a file of that name in `WABUS_SECRETS_DIR`. A variable or
    file with our prefix that no settings class knows stops the start: a misspelt knob is worse than none.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, hide_input_in_errors=True)

    http_host: str = Field(default="127.0.0.1", description="Address the HTTP side listens on.")
    http_port: int = Field(default=8080, ge=0, le=65535, description="Port the HTTP side listens on.")
    http_connections_per_address: int = Field(
        default=2_000, ge=1, description="Connections one address may hold; behind a proxy: those of the proxy."
    )
    metrics_port: int | None = Field(
        default=None, ge=1, le=65535,
        description="A second port, for /metrics, /healthz and /readyz alone: private where the HTTP side is public.",
    )  # fmt: skip
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Least level logged.")
    log_hash_key: SecretStr = Field(min_length=16, description="Key of the hash that stands for a person in logs.")
    stop_timeout: timedelta = Field(default=timedelta(seconds=30), description="Longest orderly stop.")
    traces_url: Annotated[str | None, BeforeValidator(_collector), Unset] = Field(
        default=None, description="Where traces go: OTLP over HTTP, as in http://collector:4318/v1/traces. Unset: none."
    )
    traces_share: float = Field(default=0.01, ge=0, le=1, description="Share of new traces that are recorded.")

    @classmethod
    def load(cls) -> Self:
        """Read the environment and the files of secrets.

        Raises StartRefused, in one sentence per problem, when a variable is missing, wrong or unknown.
        """
        problems = [f"{name} is not a setting of Wabus" for name in sorted(unknown_variables(os.environ))]
        return read_settings(cls, problems)

    def printable(self) -> dict[str, Any]:
        """Return the settings as they may be logged: secrets are masked by their type."""
        return {name: None if value is None else str(value) for name, value in self.model_dump().items()}

    def certificates(self) -> list[Path]:
        """Return the certificate files that the settings name; they run out one day."""
        return []


class BusSettings(KafkaAccess, MongoAccess, ServiceSettings):
    """Settings of a service that uses Kafka and MongoDB."""

    kafka_bootstrap: str = Field(description="host:port[,host:port] of the Kafka brokers.")
    mongo_url: SecretStr = Field(description="MongoDB connection string (a replica set).")
    mongo_database: str = Field(default="wabus", pattern="^[a-z0-9_-]{1,38}$", description="Database name.")

    def certificates(self) -> list[Path]:
        """Return the certificate files that the settings name."""
        return [*self.kafka_files(), *self.mongo_files()]


class GraphSettings(BusSettings):
    """Settings of a service that calls Meta's Graph API on behalf of tenants."""

    graph_url: str = Field(default="https://graph.facebook.com", description="Graph API, or the sandbox.")
    graph_version: str = Field(default="v25.0", pattern=r"^v\d{2,3}\.0$", description="Graph API version.")
    encryption_keys: SecretStr = Field(
        description="Key ring for tokens at rest: `id:base64 of 32 bytes`, comma separated, the first one encrypts."
    )

    @model_validator(mode="after")
    def _published_secrets_stay_in_the_sandbox(self) -> Self:
        """The sandbox's key ring is in every copy of the repository: what it encrypts anybody can read."""
        ring = self.encryption_keys.get_secret_value()
        if urlsplit(self.graph_url).hostname == META_HOST and any(PUBLISHED in key for key in ring.split(",")):
            raise ValueError("WABUS_ENCRYPTION_KEYS is the sandbox's, which is public: make your own secrets")
        return self


def read_settings(cls: type[T], problems: Sequence[str] = ()) -> T:
    """Read a program's settings; raises StartRefused with one sentence per problem, those found before among them."""
    known = known_variables() | {PREFIX + name.upper() for name in cls.model_fields}
    if broken := secret_file_problems(known):  # nothing can be read past them
        raise StartRefused("; ".join([*problems, *broken]))
    try:
        settings = cls()
    except ValidationError as error:
        raise StartRefused("; ".join([*problems, *_sentences(error)])) from None
    if problems:
        raise StartRefused("; ".join(problems))
    return settings


def validated(cls: type[M], values: Mapping[str, str]) -> M:
    """Return what variables without their prefix say, and nothing that this process is told; raises StartRefused."""
    try:
        return cls.model_validate({name.lower(): value for name, value in values.items()})
    except ValidationError as error:
        raise StartRefused("; ".join(_sentences(error))) from None


def unknown_variables(environment: Any) -> set[str]:
    """Return the variables with our prefix that no imported settings class declares."""
    return {name for name in environment if name.startswith(PREFIX)} - known_variables()


def known_variables() -> set[str]:
    """Return the variables that an imported settings class declares or a deployment gives to all its processes."""
    declared = {PREFIX + name.upper() for cls in _subclasses(ServiceSettings) for name in cls.model_fields}
    return declared | SHARED_BY_DEPLOYMENT


# Variables that a deployment gives to all its processes alike (one env file), whether this one reads them or not.
SHARED_BY_DEPLOYMENT = {
    PREFIX + name
    for name in (
        "KAFKA_BOOTSTRAP", "MONGO_URL", "MONGO_DATABASE", "GRAPH_URL", "GRAPH_VERSION", "ENCRYPTION_KEYS",
        "INTERNAL_SECRET", "APP_ID", "APP_SECRET", "APP_SECRET_PREVIOUS", "VERIFY_TOKEN", "PUBLIC_URL", "TEMPLATES_URL",
        "NOTIFIER_URL", "CAMPAIGNS_URL", "ANALYTICS_URL", "AUTOREPLY_URL", "KAFKA_REPLICATION", "WEBHOOKS_KEPT",
        "EGRESS_PORTS", "EGRESS_ALLOWED_PRIVATE", "TRACES_URL", "TRACES_SHARE",
        *(name.upper() for name in KafkaAccess.model_fields), *(name.upper() for name in MongoAccess.model_fields),
    )
}  # fmt: skip


def _subclasses(cls: type[ServiceSettings]) -> set[type[ServiceSettings]]:
    return {cls}.union(*(_subclasses(child) for child in cls.__subclasses__()))


def _sentences(error: ValidationError) -> list[str]:
    return [_sentence(item) for item in error.errors(include_input=False, include_url=False)]


def _sentence(item: Any) -> str:
    if not item["loc"]:  # of several fields together: it names them itself
        return str(item["msg"]).removeprefix("Value error, ")
    name = PREFIX + "_".join(str(part) for part in item["loc"]).upper()
    if item["type"] == "missing":
        return f"{name} is not set"
    return f"{name}: {item['msg']}"
