"""The files that no test runs agree with the code: compose, image, scrape list, example environment, READMEs."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.local.jars import KAFKA_VERSION
from deploy.local.mongod import REPLICA_SET
from deploy.local.services import present_services, settings_of
from libs.runtime.settings import _SHARED_BY_DEPLOYMENT

ROOT = Path(__file__).parents[3]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
NAMES = sorted(service.name for service in present_services())
PATH = re.compile(r"`(?!\./)([\w.-]+(?:/[\w.-]+)+/?)`")


def module_of(container: dict[str, Any]) -> str | None:
    command = container.get("command", [])
    return command[2] if command[:2] == ["python", "-m"] else None


def example_environment() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_compose_runs_every_service() -> None:
    modules = {module_of(container) for container in COMPOSE["services"].values()}
    assert {f"services.{name}" for name in NAMES} <= modules


@pytest.mark.parametrize("name", NAMES)
def test_each_container_is_told_all_that_its_service_requires_and_nothing_unknown(name: str) -> None:
    told = set(example_environment()) | set(COMPOSE["services"][name]["environment"])
    fields = settings_of(name).model_fields
    known = {"WABUS_" + field.upper() for field in fields} | _SHARED_BY_DEPLOYMENT
    assert {"WABUS_" + field.upper() for field, about in fields.items() if about.is_required()} <= told
    assert told <= known


def test_every_shared_variable_of_the_example_is_read_by_some_service() -> None:
    read = {"WABUS_" + field.upper() for name in NAMES for field in settings_of(name).model_fields}
    assert set(example_environment()) <= read


def test_the_servers_are_those_of_the_local_stack() -> None:
    assert COMPOSE["services"]["kafka"]["image"] == f"apache/kafka:{KAFKA_VERSION}"
    assert COMPOSE["services"]["mongo"]["image"] == "mongo:6.0"
    assert REPLICA_SET in COMPOSE["services"]["mongo"]["command"]


def test_nothing_is_published_beyond_this_host() -> None:
    ports = [port for container in COMPOSE["services"].values() for port in container.get("ports", [])]
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_image_runs_as_nobody_special_and_holds_what_the_services_import() -> None:
    lines = (ROOT / "deploy/docker/Dockerfile").read_text().splitlines()
    assert "USER 10001" in lines
    copied = {line.split()[1] for line in lines if line.startswith("COPY ") and "--from" not in line}
    assert copied == {"requirements.lock", "contracts", "libs", "services", "deploy/local"}


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(item for extra in project["optional-dependencies"].values() for item in extra),
    ]
    reasons = (ROOT / "deploy/README.md").read_text()
    names = {re.split(r"[\[<>=;\s]", item, maxsplit=1)[0] for item in wanted}
    assert {name for name in names if name not in reasons and not name.startswith("types-")} == set()


@pytest.mark.parametrize("readme", ["README.md", "deploy/README.md", "services/console/README.md"])
def test_paths_that_a_readme_names_exist(readme: str) -> None:
    folder = (ROOT / readme).parent
    for path in PATH.findall((ROOT / readme).read_text()):
        assert (ROOT / path).exists() or (folder / path).exists(), path
