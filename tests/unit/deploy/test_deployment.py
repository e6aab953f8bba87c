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


@pytest.mark.parametrize("readme", sorted((ROOT / "services").glob("*/README.md")), ids=lambda path: path.parent.name)
def test_the_readme_of_a_service_is_a_page(readme: Path) -> None:
    assert len(readme.read_text().splitlines()) <= 60


def test_every_record_of_a_decision_has_its_number_and_the_gaps_are_told() -> None:
    folder = ROOT / "contracts/decisions"
    numbers = {}
    for path in folder.glob("0*.md"):
        heading = path.read_text().splitlines()[0]
        assert heading.startswith(f"# {int(path.name[:4])}. "), f"{path.name} begins with {heading!r}"
        assert len(path.read_text().splitlines()) <= 40
        numbers[int(path.name[:4])] = path
    gaps = set(range(1, max(numbers) + 1)) - numbers.keys()
    told = set(map(int, re.findall(r"\d+", re.findall(r"There are no (.*?):", (folder / "README.md").read_text())[0])))
    assert gaps == told
