"""What a command talks to: addresses and keys of the deployment that `deploy.local.deployment` chooses for it."""

from pathlib import Path

from pydantic import SecretStr

from deploy.local.deployment import Deployment, chosen
from libs.kafka.connection import KafkaConnection
from libs.mongo.client import Mongo
from libs.runtime.access import PREFIX
from libs.runtime.settings import validated
from services.console.errors import CommandRefused
from services.console.printing import errors_console
from services.console.settings import ConsoleSettings

VARIABLES = {"edge": "EDGE_URL", "sandbox": "SANDBOX_URL"}  # of what is not called like its variable


class Target:
    """Addresses and keys; what the deployment does not say is asked for in vain, with a sentence."""

    def __init__(self, deployment: Deployment | None, state: Path) -> None:
        self._told_by = deployment.told_by if deployment else None
        self._state = state.absolute()
        self.is_local = deployment is not None and deployment.stack is not None
        self._settings = validated(ConsoleSettings, deployment.values if deployment else {})

    @property
    def tenant(self) -> str | None:
        """The tenant that keys are of where none is said."""
        return self._settings.tenant

    def need_kafka(self) -> KafkaConnection:
        """Return the way to Kafka; raises CommandRefused, which says where it would come from."""
        return KafkaConnection.to(self.need("kafka_bootstrap"), self._settings)

    def need_mongo(self) -> Mongo:
        """Return the client of MongoDB; raises CommandRefused, which says where it would come from."""
        return Mongo(self.need("mongo_url"), self._settings.mongo_database, self._settings)

    def need(self, name: str) -> str:
        """Return an address or a key; raises CommandRefused, which says where it would come from."""
        variable = VARIABLES.get(name, name.upper())
        value: str | SecretStr | None = getattr(self._settings, variable.lower())
        if value is None:
            raise CommandRefused(self._lacks(PREFIX + variable))
        return value.get_secret_value() if isinstance(value, SecretStr) else value

    def _lacks(self, variable: str) -> str:
        if self._told_by is None:
            return f"no stack runs in {self._state}: start one with `wabus up`, or set {variable}"
        return f"{self._told_by} is what is talked to, and does not say {variable}: set {variable}"


def target_of(state: Path) -> Target:
    """Return what a command talks to; raises StartRefused for what cannot be read."""
    return Target(deployment_of(state), state)


def deployment_of(state: Path) -> Deployment | None:
    """Return the deployment of a command, and say so where a stack that runs here is not the one."""
    deployment = chosen(state)
    if deployment is not None and deployment.passed_by is not None:
        said = f"{deployment.told_by} is what is talked to, not the stack in {deployment.passed_by}"
        errors_console.print(said, soft_wrap=True, markup=False)
    return deployment
