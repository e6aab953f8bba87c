"""How a process gets at secured servers: TLS, logins and certificates of Kafka and MongoDB, said once for all programs.

Half of a combination is refused when the settings are read, in a sentence that names the variable: a client that
quietly speaks in the clear, or tries for ever to log in without a password, is found out too late.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, BeforeValidator, Field, SecretStr, model_validator

PREFIX = "WABUS_"  # of every environment variable of ours

Security = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
S = TypeVar("S")

# An environment file that leaves a line empty has not set it.
Unset = BeforeValidator(lambda value: None if value == "" else value)
File = Annotated[Path | None, Unset]


class KafkaAccess(BaseModel):
    """What the Kafka brokers ask of their clients; a part of settings, which read it from the environment."""

    kafka_security: Security = Field(default="PLAINTEXT", description="Kafka's security.protocol.")
    kafka_sasl_mechanism: Annotated[Mechanism | None, Unset] = Field(
        default=None, description="How to log in at Kafka: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."
    )
    kafka_username: Annotated[str | None, Unset] = Field(default=None, description="Kafka's user.")
    kafka_password: Annotated[SecretStr | None, Unset] = Field(default=None, description="The user's password.")
    kafka_ca_file: File = Field(default=None, description="PEM of who signs the brokers; the system's if not set.")
    kafka_cert_file: File = Field(default=None, description="PEM of our own certificate, where brokers ask for one.")
    kafka_key_file: File = Field(default=None, description="PEM of the certificate's key.")

    @model_validator(mode="after")
    def _kafka_is_whole(self) -> Self:
        login = {name: getattr(self, name) for name in ("kafka_sasl_mechanism", "kafka_username", "kafka_password")}
        files = {name: getattr(self, name) for name in ("kafka_ca_file", "kafka_cert_file", "kafka_key_file")}
        said = f"{_variable('kafka_security')}={self.kafka_security}"
        if self.kafka_security.startswith("SASL"):
            problems = [f"{name} is not set, and {said} needs it" for name in _named(login, given=False)]
        else:
            problems = [
                f"{name} is set, and {said} logs nobody in: say SASL_SSL or SASL_PLAINTEXT"
                for name in _named(login, given=True)
            ]
        if not self.kafka_security.endswith("SSL"):
            problems += [
                f"{name} is set, and {said} does not encrypt: say SSL or SASL_SSL" for name in _named(files, given=True)
            ]
        pair = {name: files[name] for name in ("kafka_cert_file", "kafka_key_file")}
        if len(lonely := _named(pair, given=False)) == 1:
            problems.append(f"{lonely[0]} is not set: a certificate and its key go together")
        return _refused(self, problems + _missing(files))

    def revealed(self) -> dict[str, str | None]:
        """Return the fields as texts, the password too: for a file or an environment that only its owner reads."""
        values = {name: getattr(self, name) for name in KafkaAccess.model_fields}
        return {name: _revealed(value) for name, value in values.items()}

    def kafka_files(self) -> list[Path]:
        """Return the certificates that the settings name."""
        return [path for path in (self.kafka_ca_file, self.kafka_cert_file) if path is not None]


class MongoAccess(BaseModel):
    """What MongoDB asks of its clients beside the connection string, which has user, password, hosts and TLS or not."""

    mongo_ca_file: File = Field(default=None, description="PEM of who signs MongoDB's servers; it turns TLS on.")
    mongo_cert_file: File = Field(default=None, description="PEM of our own certificate and its key; it turns TLS on.")

    @model_validator(mode="after")
    def _mongo_is_whole(self) -> Self:
        files = {"mongo_ca_file": self.mongo_ca_file, "mongo_cert_file": self.mongo_cert_file}
        url = getattr(self, "mongo_url", None)
        problems = []
        if url is not None and _says_no_tls(url.get_secret_value() if isinstance(url, SecretStr) else url):
            problems = [
                f"{name} is set, and {_variable('mongo_url')} says tls=false" for name in _named(files, given=True)
            ]
        return _refused(self, problems + _missing(files))

    def mongo_files(self) -> list[Path]:
        """Return the certificates that the settings name."""
        return [path for path in (self.mongo_ca_file, self.mongo_cert_file) if path is not None]


def _revealed(value: Any) -> str | None:
    if value is None:
        return None
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def _variable(field: str) -> str:
    return PREFIX + field.upper()


def _named(fields: dict[str, Any], *, given: bool) -> list[str]:
    return [_variable(name) for name, value in fields.items() if (value is not None) is given]


def _missing(files: dict[str, Path | None]) -> list[str]:
    return [
        f"{_variable(name)}: there is no file {path}"
        for name, path in files.items()
        if path is not None and not path.is_file()
    ]


def _says_no_tls(url: str) -> bool:
    try:
        said = {name.lower(): value for name, value in parse_qsl(urlsplit(url).query)}
    except ValueError:
        return False  # the client refuses it in a sentence of its own
    return "false" in (said.get("tls"), said.get("ssl"))


def _refused(settings: S, problems: list[str]) -> S:
    if problems:
        raise ValueError("; ".join(problems))
    return settings
