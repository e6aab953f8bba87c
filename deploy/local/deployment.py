"""Which deployment a command is about, and what that one says to its services: decided here, for every command.

The rule has three lines. What the environment names by an address (`ADDRESSES`) is the deployment, and nothing of a
stack on this machine is mixed into it. Otherwise it is the stack that runs in the state directory; what else the
environment says, a key for example, outranks what that stack knows. A stack that was started on the very servers that
the environment names is that stack.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from deploy.local.services import shared_environment
from deploy.local.settings import given_variables
from deploy.local.state import StateDirectory
from libs.runtime.access import PREFIX
from libs.runtime.errors import StartRefused
from libs.runtime.file_settings import FOLDER, secret_file_problems
from libs.runtime.settings import META_HOST

ADDRESSES = ("EDGE_URL", "SANDBOX_URL", "KAFKA_BOOTSTRAP", "MONGO_URL")
INSIDE = (".svc", ".local", ".internal", ".lan", ".home.arpa")  # ends of names that no public resolver knows


@dataclass(frozen=True, slots=True)
class Deployment:
    """Variables without their prefix, the files that secrets were read from, and who said so."""

    values: Mapping[str, str]
    files: tuple[Path, ...] = ()
    told_by: str = "the environment"
    stack: Path | None = None  # of a stack on this machine: its state directory
    passed_by: Path | None = None  # the state directory of a stack that runs, and is not the one
    problems: tuple[str, ...] = ()  # what is wrong with how it is said, a sentence each
    unseen: frozenset[str] = frozenset()  # secrets that are said somewhere that was not looked at
    describes_edge: bool = False  # it is said to be all that edge is told

    @property
    def is_trial(self) -> bool:
        """Whether nothing but this machine and a simulated Meta is in it: then it is open on purpose."""
        graph, public = (parts_of(self.get(name)).hostname or "" for name in ("GRAPH_URL", "PUBLIC_URL"))
        return graph not in ("", META_HOST) and is_inside(graph) and is_here(public)

    def get(self, name: str) -> str:
        """Return a variable's value, empty where it is not set."""
        return self.values.get(name, "")

    @property
    def is_of_edge(self) -> bool:
        """Whether it is what edge is told, so that what edge needs has to be in it: others are told less."""
        own = {name for name in self.values if name.startswith("EDGE_")} - set(ADDRESSES)
        return self.describes_edge or bool(own) or bool(self.values.keys() & {"APP_SECRET", "VERIFY_TOKEN"})

    def variables(self) -> dict[str, str]:
        """Return all of it as the environment of a process has it."""
        return {PREFIX + name: value for name, value in self.values.items()}


def chosen(state: Path) -> Deployment | None:
    """Return the deployment that a command is about, by the rule above; None where there is none.

    Raises StartRefused for a folder of secrets that cannot be read.
    """
    given, stack = of_environment(), of_stack(state)
    named = {name: given.get(name) for name in ADDRESSES if given.get(name)}
    if stack is not None and all(stack.get(name) == value for name, value in named.items()):
        return replace(stack, values={**stack.values, **given.values}, files=given.files)
    if not named:
        return None
    variables = ", ".join(PREFIX + name for name in named)
    return replace(given, told_by=f"the environment ({variables})", passed_by=stack.stack if stack else None)


def of_environment() -> Deployment:
    """Return what this process's environment and its folder of secrets say; raises StartRefused."""
    given = given_variables()
    folder = Path(given[FOLDER]) if FOLDER in given else None
    files = tuple(sorted(it for it in folder.iterdir() if it.is_file())) if folder and folder.is_dir() else ()
    if problems := secret_file_problems({file.name.upper() for file in files}):
        raise StartRefused("; ".join(problems))
    return Deployment(without_prefix(contents(files) | given), files)


def of_stack(state: Path) -> Deployment | None:
    """Return what the stack that runs in a directory says to its services, None where none runs."""
    directory = StateDirectory(state)
    if (stack := directory.stack()) is None:
        return None
    secrets = directory.secrets()
    urls = {name: url.removesuffix("/metrics") for name, url in stack.get("metrics", {}).items()}
    urls |= {name: stack.get(name, "") for name in ("edge", "sandbox")}
    shared = shared_environment(secrets, {}, urls, str(directory.root / "sandbox"))
    servers = {"KAFKA_BOOTSTRAP": stack.get("kafka"), "MONGO_URL": stack.get("mongo")}
    servers |= {name.upper(): value for name, value in stack.get("kafka_access", {}).items()}
    known = {name.upper(): stack.get(name) for name in ("mongo_database", "api_key", "admin_key", "tenant")}
    values = without_prefix(shared) | {name: value for name, value in {**servers, **known}.items() if value}
    return Deployment(values, (), f"the stack in {directory.root}", directory.root)


def contents(files: tuple[Path, ...]) -> dict[str, str]:
    """Return what files of secrets say, by the variables that they are named like."""
    return {file.name.upper(): file.read_text().strip() for file in files if file.name.upper().startswith(PREFIX)}


def without_prefix(variables: Mapping[str, str]) -> dict[str, str]:
    """Return those of our variables that are set, without the prefix; an empty one is not."""
    return {name.removeprefix(PREFIX): it for name, it in variables.items() if name.startswith(PREFIX) and it}


def parts_of(url: str) -> SplitResult:
    """Return the parts of an address; empty ones where it cannot be read."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


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
