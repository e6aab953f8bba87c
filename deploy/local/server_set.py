"""The servers of a stack: how many of each, secured or not; what their processes are and what clients are told."""

import asyncio
from dataclasses import dataclass
from typing import Any

from deploy.local.certificates import Certificates
from deploy.local.errors import StackRefused
from deploy.local.guard import Guard
from deploy.local.jars import Progress, kafka_class_path
from deploy.local.kafka import Kafka
from deploy.local.kafka_properties import copies_of
from deploy.local.mongod import Mongod
from deploy.local.plan import ProcessPlan, kafka_plan, mongod_plan
from deploy.local.processes import server_name
from deploy.local.settings import LocalSettings, outside_environment
from deploy.local.state import StateDirectory
from libs.kafka.connection import KafkaConnection
from libs.runtime.access import PREFIX

SIZES = (1, 3)  # one, or as many as can lose one and still have a majority


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What was asked of the servers; None: as the state directory has it, or the lightest."""

    secure: bool | None = None
    brokers: int | None = None
    members: int | None = None

    def check(self, settings: LocalSettings) -> None:
        """Raise StackRefused where it cannot be had."""
        for option, count in (("--brokers", self.brokers), ("--members", self.members)):
            if count not in (None, *SIZES):
                raise StackRefused(f"{option} {count}: say 1 or 3; of two, neither may fail")
        if settings.kafka_bootstrap is None and settings.kafka_security != "PLAINTEXT":
            raise StackRefused("WABUS_KAFKA_SECURITY is of a Kafka of your own, and WABUS_KAFKA_BOOTSTRAP names none")
        if settings.mongo_url is None and settings.mongo_files():
            raise StackRefused("WABUS_MONGO_CA_FILE is of a MongoDB of your own, and WABUS_MONGO_URL names none")
        own = (
            ("WABUS_KAFKA_BOOTSTRAP", settings.kafka_bootstrap, self.brokers),
            ("WABUS_MONGO_URL", settings.mongo_url, self.members),
        )
        for variable, given, count in own:
            if given is not None and (count or self.secure):
                raise StackRefused(f"{variable} names servers of your own, which `wabus up` neither secures nor counts")

    def as_json(self) -> dict[str, Any]:
        """Return it as the state directory keeps it."""
        asked = {"secure": self.secure, "brokers": self.brokers, "members": self.members}
        return {name: value for name, value in asked.items() if value is not None}


class ServerSet:
    """The embedded servers of one state directory; where the environment names servers, those stand in for ours."""

    def __init__(self, asked: ServerOptions, state: StateDirectory, settings: LocalSettings) -> None:
        asked.check(settings)
        kept = state.kept_options(asked.as_json())
        self._settings = settings
        self._state = state
        self._brokers = 0 if settings.kafka_bootstrap else kept["brokers"]
        self._members = 0 if settings.mongo_url else kept["members"]
        self._secure = bool(kept["secure"])
        self._ports: dict[str, int] = {}

    @property
    def names(self) -> set[str]:
        """Return the names of the server processes that a stack may have."""
        return {"kafka", "mongod"} | {server_name("kafka", n + 1) for n in range(self._brokers)} | {
            server_name("mongod", n + 1) for n in range(self._members)
        }  # fmt: skip

    @property
    def listeners(self) -> list[str]:
        """Return the name of every port that they need."""
        brokers = [server_name("kafka", number + 1) for number in range(max(self._brokers, 1))]
        members = [server_name("mongod", number + 1) for number in range(max(self._members, 1))]
        return [*brokers, *(f"{name}-controller" for name in brokers), *members]

    def take(self, ports: dict[str, int], secrets: dict[str, str]) -> None:
        """Take the ports of the listeners and the secrets, and make the certificates where they are needed."""
        self._ports, self._secrets = ports, secrets
        self._guard = None
        if self._secure:
            certificates = Certificates(self._state.root / "tls")
            certificates.make()
            self._guard = Guard(certificates, secrets["kafka_password"], secrets["mongo_password"])
        self.kafka = KafkaConnection.to(self._bootstrap, self._guard.kafka_access() if self._guard else self._settings)

    @property
    def copies(self) -> int:
        """Return how many copies the topics are made with."""
        return copies_of(max(self._brokers, 1))

    # -- what clients are told

    def environment(self) -> dict[str, str]:
        """Return the variables of services that say where the servers are and how to get in."""
        values = {"KAFKA_BOOTSTRAP": self._bootstrap, "MONGO_URL": self._settings.mongo_url or self._mongods()[0].url}
        if self._guard is not None:
            access = self._guard.kafka_access().revealed() | {"mongo_ca_file": str(self._guard.certificates.ca)}
            values |= {name.upper(): value for name, value in access.items() if value is not None}
        return {PREFIX + name: value for name, value in values.items()}

    def described(self) -> dict[str, Any]:
        """Return what `stack.json` says of them: all that a client needs."""
        access = self._guard.kafka_access() if self._guard else self._settings
        return {
            "mongo": self._settings.mongo_url or self._mongods()[0].whole_url,
            "kafka": self._bootstrap,
            "kafka_access": access.revealed(),
        }

    @property
    def _bootstrap(self) -> str:
        ports = (self._ports[server_name("kafka", number + 1)] for number in range(self._brokers))
        return self._settings.kafka_bootstrap or ",".join(f"127.0.0.1:{port}" for port in ports)

    # -- what runs

    def plans(self, report: Progress) -> list[ProcessPlan]:
        """Return the plan of every server process; fetches Kafka at the first time. Raises StackRefused."""
        outside = outside_environment()
        brokers = [kafka_plan(each, self._state, outside, asyncio.to_thread) for each in self._kafkas(report)]
        return brokers + [mongod_plan(each, self._state, outside, asyncio.to_thread) for each in self._mongods()]

    def _kafkas(self, report: Progress) -> list[Kafka]:
        if not self._brokers:
            return []
        names = [server_name("kafka", number + 1) for number in range(self._brokers)]
        controllers = tuple(self._ports[f"{name}-controller"] for name in names)
        class_path = kafka_class_path(self._settings.cache, report)
        return [
            Kafka(
                self._state.root / name, self._ports[name], controllers[place], class_path, node=place + 1,
                controllers=controllers, cluster=self._secrets["kafka_cluster"], guard=self._guard,
            )
            for place, name in enumerate(names)
        ]  # fmt: skip

    def _mongods(self) -> list[Mongod]:
        names = [server_name("mongod", number + 1) for number in range(self._members)]
        ports = tuple(self._ports[name] for name in names)
        return [
            Mongod(self._state.root / name, self._ports[name], place + 1, ports, self._guard)
            for place, name in enumerate(names)
        ]
