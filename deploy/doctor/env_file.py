"""The deployment that an environment file describes: beside a docker-compose.yml, what Compose tells edge by it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from dotenv import dotenv_values

from deploy.local.deployment import Deployment, contents, without_prefix
from deploy.local.errors import StackRefused
from libs.runtime.file_settings import FOLDER

COMPOSE_FILES = ("docker-compose.yml", "docker-compose.override.yml")  # those that Compose reads unasked
COMPOSE_FOLDER = "SECRETS_FOLDER"  # what docker-compose.yml calls the folder of its secrets
DOOR = "edge"  # the service whose settings say most of a deployment
# $$, ${NAME}, ${NAME-default}, ${NAME:-default}, $NAME
PLACE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>\w+)(?:(?P<how>:?-)(?P<default>[^}]*))?\}|(?P<plain>\w+))")


@dataclass(slots=True)
class _Compose:
    """What the compose files of a folder say to edge: its environment, and which files are its secrets."""

    environment: dict[str, str] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)

    def add(self, said: Mapping[str, Any]) -> None:
        """Lay a further file over what is there."""
        door = (said.get("services") or {}).get(DOOR) or {}
        told = door.get("environment") or {}
        pairs = told.items() if isinstance(told, dict) else (str(line).partition("=")[::2] for line in told)
        self.environment |= {name: str(value) for name, value in pairs if value is not None}
        self.secrets += [it if isinstance(it, str) else it["source"] for it in door.get("secrets") or []]
        self.files |= {name: it["file"] for name, it in (said.get("secrets") or {}).items() if "file" in it}


class _Loader(yaml.SafeLoader):
    """Reads what Compose's own tags (`!override`, `!reset`) are put before as if they were not there."""


def _untagged(loader: _Loader, _: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    return loader.construct_sequence(node, deep=True) if isinstance(node, yaml.SequenceNode) else None


_Loader.add_multi_constructor("!", _untagged)


def of_file(file: Path) -> Deployment:
    """Return what an environment file says, with the secrets of the folder that it names; raises StackRefused."""
    if not file.is_file():
        raise StackRefused(f"there is no file {file}")
    said = {name: value or "" for name, value in dotenv_values(file, interpolate=False).items()}
    compose = _compose_of(file.parent)
    folder = said.get(FOLDER) or said.get(COMPOSE_FOLDER)
    if folder is not None and not (file.parent / folder).is_dir():
        raise StackRefused(f"there is no folder of secrets {file.parent / folder}: `make secrets` makes one")
    if compose.environment:
        told = {name: interpolated(value, said) for name, value in compose.environment.items()}
        told.pop(FOLDER, None)  # of the container
        known = (compose.files[name] for name in compose.secrets if name in compose.files)  # others lie elsewhere
        paths = {file.parent / interpolated(path, said) for path in known}
        files = tuple(sorted(path for path in paths if path.is_file()))
    else:
        told = {}
        files = tuple(sorted(_files_of(file.parent / folder))) if folder is not None else ()
    return Deployment(without_prefix(contents(files) | said | told), files, f"the file {file}")


def interpolated(text: str, values: Mapping[str, str]) -> str:
    """Return a text of a compose file with the values of an environment file in its places."""

    def value(found: re.Match[str]) -> str:
        if found["dollar"]:
            return "$"
        given = values.get(found["name"] or found["plain"])
        if given is None or (given == "" and found["how"] == ":-"):
            return found["default"] or ""
        return given

    return PLACE.sub(value, text)


def _compose_of(folder: Path) -> _Compose:
    compose = _Compose()
    for name in COMPOSE_FILES:
        if (folder / name).is_file():
            try:
                said = yaml.load((folder / name).read_text(), _Loader)  # noqa: S506  # a SafeLoader
            except yaml.YAMLError as error:
                raise StackRefused(f"{folder / name} cannot be read: {error}") from None
            compose.add(said or {})
    return compose


def _files_of(folder: Path) -> Iterator[Path]:
    return (file for file in folder.iterdir() if file.is_file())
