"""How every client of Kafka in this project connects: the one place that knows of TLS and logins."""

import contextlib
import ssl
from dataclasses import dataclass
from typing import Any, Self

from pydantic import SecretStr

from libs.runtime.access import KafkaAccess
from libs.runtime.errors import StartRefused
from libs.runtime.settings import BusSettings


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """Addresses of the brokers, and what they ask for; without more it is an open, unencrypted Kafka."""

    bootstrap: str
    protocol: str = "PLAINTEXT"
    context: ssl.SSLContext | None = None
    mechanism: str | None = None
    username: str | None = None
    password: SecretStr | None = None

    @classmethod
    def of(cls, settings: BusSettings) -> Self:
        """Return the way that a service's settings describe; raises StartRefused as `to` does."""
        return cls.to(settings.kafka_bootstrap, settings)

    @classmethod
    def to(cls, bootstrap: str, access: KafkaAccess) -> Self:
        """Return the way to these brokers; raises StartRefused when a certificate cannot be read."""
        encrypted = access.kafka_security.endswith("SSL")
        return cls(
            bootstrap,
            access.kafka_security,
            _context(access) if encrypted else None,
            access.kafka_sasl_mechanism,
            access.kafka_username,
            access.kafka_password,
        )

    def options(self) -> dict[str, Any]:
        """Return what the constructor of an aiokafka client takes: consumer, producer or admin."""
        return {"bootstrap_servers": self.servers, **self.handshake()}

    def handshake(self) -> dict[str, Any]:
        """Return the part of the options that is about getting in."""
        if self.protocol == "PLAINTEXT":
            return {}
        options: dict[str, Any] = {"security_protocol": self.protocol, "ssl_context": self.context}
        if self.mechanism is not None:
            options |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.secret,
            }
        return options

    @property
    def servers(self) -> list[str]:
        """Return each broker's `host:port`."""
        return self.bootstrap.split(",")

    @property
    def secret(self) -> str:
        """Return the password, empty where nobody logs in."""
        return self.password.get_secret_value() if self.password else ""


class _NoLongGoodbye(ssl.SSLObject):
    """Says that it closes, and does not wait until the other side says so too.

    A broker reads nothing from a connection while it holds a fetch that waits for records: each close would take as
    long as that, and a service 5 to 8 s longer to stop.
    """

    def unwrap(self) -> None:
        """Put our goodbye into what is still to be sent."""
        with contextlib.suppress(ssl.SSLWantReadError):
            super().unwrap()


def _context(access: KafkaAccess) -> ssl.SSLContext:
    """Return a context that checks the broker's certificate and name, and shows ours where there is one."""
    try:
        context = ssl.create_default_context(cafile=access.kafka_ca_file)
    except (OSError, ssl.SSLError) as error:
        raise StartRefused(f"WABUS_KAFKA_CA_FILE: {access.kafka_ca_file} cannot be used: {_why(error)}") from None
    context.sslobject_class = _NoLongGoodbye
    if access.kafka_cert_file is not None:
        try:
            context.load_cert_chain(access.kafka_cert_file, access.kafka_key_file, password="")
        except (OSError, ssl.SSLError) as error:
            raise StartRefused(
                f"WABUS_KAFKA_CERT_FILE and WABUS_KAFKA_KEY_FILE: {access.kafka_cert_file} with "
                f"{access.kafka_key_file} cannot be used: {_why(error)}"
            ) from None
    return context


def _why(error: OSError) -> str:
    """Say what OpenSSL or the system said, in words."""
    return str(getattr(error, "reason", None) or error.strerror or error).lower().replace("_", " ")
