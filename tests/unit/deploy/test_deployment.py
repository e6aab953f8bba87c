"""The scrape list and the READMEs agree with the code."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from deploy.local.services import present_services

ROOT = Path(__file__).parents[3]
NAMES = sorted(service.name for service in present_services())
PATH = re.compile(r"`(?!\./)([\w.-]+(?:/[\w.-]+)+/?)`")


def test_prometheus_scrapes_every_service() -> None:
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    targets = config["scrape_configs"][0]["static_configs"][0]["targets"]
    assert sorted(target.partition(":")[0] for target in targets) == NAMES


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
