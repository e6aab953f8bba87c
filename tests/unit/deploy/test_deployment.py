"""The READMEs agree with the code."""

import re
import tomllib
from pathlib import Path

import pytest

from libs.observability.recorder import VERSION

ROOT = Path(__file__).parents[3]
PATH = re.compile(r"`(?!\./)([\w.-]+(?:/[\w.-]+)+/?)`")


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


def test_traces_name_the_version_of_the_project() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION
