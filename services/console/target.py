"""What a command talks to: the stack of the state directory, or a deployment that the environment names."""

from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.state import StateDirectory
from libs.kafka.connection import KafkaConnection
from libs.mongo.client import Mongo
from libs.runtime.access import KafkaAccess
from libs.runtime.settings import read_settings
from services.console.errors import CommandRefused
from services.console.settings import ConsoleSettings


@dataclass(frozen=True, slots=True)
class Target:
    """Addresses and keys; what is not known is None."""

    edge: str | None
    sandbox: str | None
    api_key: str | None
    admin_key: str | None
    internal_secret: str | None
    encryption_keys: str | None = field(repr=False)
    kafka: KafkaConnection | None
    mongo: Mongo | None
    tenant: str | None

    def need_kafka(self) -> KafkaConnection:
        """Return the way to Kafka; raises CommandRefused, which says where it would come from."""
        if self.kafka is None:
            raise CommandRefused("no stack runs here: start one with `wabus up`, or set WABUS_KAFKA_BOOTSTRAP")
        return self.kafka

    def need_mongo(self) -> Mongo:
        """Return the client of MongoDB; raises CommandRefused, which says where it would come from."""
        if self.mongo is None:
            raise CommandRefused("no stack runs here: start one with `wabus up`, or set WABUS_MONGO_URL")
        return self.mongo

    def need(self, name: str) -> str:
        """Return one of the fields; raises CommandRefused, which says where it would come from."""
        value: str | None = getattr(self, name)
        if value is None:
            variable = {"edge": "WABUS_EDGE_URL", "sandbox": "WABUS_SANDBOX_URL"}
            told = variable.get(name, f"WABUS_{name.upper()}")
            raise CommandRefused(f"no stack runs here: start one with `wabus up`, or set {told}")
        return value


def target_of(state: Path) -> Target:
    """Return the stack that runs in `state`; where none runs, what the environment says. Raises StartRefused."""
    directory = StateDirectory(state)
    settings = read_settings(ConsoleSettings)
    stack = {} if settings.edge_url else (directory.stack() or {})
    ring = settings.encryption_keys.get_secret_value() if settings.encryption_keys else None
    if stack:
        own = {name: stack.get(name) for name in ("edge", "sandbox", "api_key", "admin_key", "tenant")}
        access = KafkaAccess.model_validate(stack.get("kafka_access", {}))
        kafka = KafkaConnection.to(stack["kafka"], access) if "kafka" in stack else None
        mongo = Mongo(stack["mongo"], stack["mongo_database"]) if "mongo" in stack else None
        secrets = directory.secrets()
        ring = ring or secrets["encryption_keys"]
        return Target(
            **own, kafka=kafka, mongo=mongo, internal_secret=secrets["internal_secret"], encryption_keys=ring
        )  # fmt: skip
    return Target(
        edge=settings.edge_url,
        sandbox=settings.sandbox_url,
        api_key=settings.api_key.get_secret_value() if settings.api_key else None,
        admin_key=settings.admin_key.get_secret_value() if settings.admin_key else None,
        internal_secret=settings.internal_secret.get_secret_value() if settings.internal_secret else None,
        encryption_keys=ring,
        kafka=KafkaConnection.to(settings.kafka_bootstrap, settings) if settings.kafka_bootstrap else None,
        mongo=_mongo_of(settings),
        tenant=None,
    )


def _mongo_of(settings: ConsoleSettings) -> Mongo | None:
    if settings.mongo_url is None:
        return None
    return Mongo(settings.mongo_url.get_secret_value(), settings.mongo_database, settings)
