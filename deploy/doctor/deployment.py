"""What a deployment says to its services: in an environment file, in this environment, or as a local stack."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from dotenv import dotenv_values

from deploy.local.errors import StackRefused
from deploy.local.settings import given_variables
from deploy.local.state import StateDirectory
from libs.runtime.access import PREFIX
from libs.runtime.file_settings import FOLDER
from libs.runtime.settings import META_HOST

COMPOSE_FOLDER = "SECRETS_FOLDER"  # what docker-compose.yml calls the folder of its secrets
INSIDE = (".svc", ".local", ".internal", ".lan", ".home.arpa")  # ends of names that no public resolver knows


@dataclass(frozen=True, slots=True)
class Deployment:
    """Variables without their prefix, and the files that secrets were read from."""

    values: Mapping[str, str]
    files: tuple[Path, ...] = ()

    @property
    def is_trial(self) -> bool:
        """Whether nothing but this machine and a simulated Meta is in it: then it is open on purpose."""
        graph, public = (urlsplit(self.get(name)).hostname or "" for name in ("GRAPH_URL", "PUBLIC_URL"))
        return graph not in ("", META_HOST) and is_inside(graph) and is_here(public)

    def get(self, name: str) -> str:
        """Return a variable's value, empty where it is not set."""
        return self.values.get(name, "")


def is_here(host: str) -> bool:
    """Tell whether a host is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_inside(host: str) -> bool:
    """Tell whether a host is reached on a private network: by its address, or by a name without a public domain."""
    try:
        return ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith(INSIDE)


def of_file(file: Path) -> Deployment:
    """Return what an environment file says, with the secrets of the folder that it names; raises StackRefused."""
    if not file.is_file():
        raise StackRefused(f"there is no file {file}")
    return _whole({name: value or "" for name, value in dotenv_values(file, interpolate=False).items()}, file.parent)


def of_environment() -> Deployment | None:
    """Return what this process's environment says, None where it describes no deployment."""
    given = given_variables()
    found = _whole(given, Path())
    return found if found.get("MONGO_URL") or found.get("KAFKA_BOOTSTRAP") else None


def of_stack(state: Path) -> Deployment | None:
    """Return what the local stack that runs in a directory says to its services, None where none runs."""
    directory = StateDirectory(state)
    if (stack := directory.stack()) is None:
        return None
    secrets = {name.upper(): str(value) for name, value in directory.secrets().items() if name != "kafka_cluster"}
    access = {name.upper(): str(value) for name, value in stack.get("kafka_access", {}).items() if value is not None}
    urls = {"GRAPH_URL": stack["sandbox"], "PUBLIC_URL": stack["edge"]}
    servers = {"KAFKA_BOOTSTRAP": stack.get("kafka", ""), "MONGO_URL": stack.get("mongo", "")}
    ours = {"EGRESS_ALLOWED_PRIVATE": "127.0.0.1/32", "MONGO_DATABASE": stack["mongo_database"]}
    keys = {name: secrets[name] for name in ("APP_SECRET", "VERIFY_TOKEN", "ENCRYPTION_KEYS", "INTERNAL_SECRET")}
    keys["LOG_HASH_KEY"] = secrets["LOG_HASH_KEY"]
    given = {name.removeprefix(PREFIX): value for name, value in given_variables().items()}
    return Deployment({**urls, **servers, **ours, **keys, **access, **given})


def _whole(given: Mapping[str, str], beside: Path) -> Deployment:
    files = _secret_files(beside, given.get(FOLDER) or given.get(COMPOSE_FOLDER))
    secrets = {file.name.upper(): file.read_text().strip() for file in files if file.name.upper().startswith(PREFIX)}
    values = {name: value for name, value in (secrets | dict(given)).items() if name.startswith(PREFIX) and value}
    return Deployment({name.removeprefix(PREFIX): value for name, value in values.items()}, tuple(files))


def _secret_files(beside: Path, folder: str | None) -> list[Path]:
    if folder is None:
        return []
    if not (beside / folder).is_dir():
        raise StackRefused(f"there is no folder of secrets {beside / folder}: `make secrets` makes one")
    return sorted(file for file in (beside / folder).iterdir() if file.is_file())
