"""promtool's own checks of the configuration, the rules and what every alert does."""

import shutil
import subprocess
from functools import partial
from pathlib import Path

import pytest

from tests.support.asking import DEPLOY

PROMETHEUS = DEPLOY / "prometheus"
TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))


def tool(name: str, *arguments: object) -> str:
    done = subprocess.run([shutil.which(name) or "", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


promtool = partial(tool, "promtool")


def test_the_configuration_and_the_rules_are_valid() -> None:
    assert "2 rule files found" in promtool("check", "config", PROMETHEUS / "prometheus.yml")
    promtool("check", "rules", *(PROMETHEUS / "rules").glob("*.yml"))


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_are_silent_when_they_should_be(path: Path) -> None:
    promtool("test", "rules", path)


@pytest.mark.parametrize(("severity", "receiver"), [("page", "pages"), ("ticket", "tickets")])
def test_the_example_for_alertmanager_is_valid_and_wakes_somebody_for_pages_alone(severity: str, receiver: str) -> None:
    example = PROMETHEUS / "alertmanager.yml"
    assert "SUCCESS" in tool("amtool", "check-config", example)
    told = tool("amtool", "config", "routes", "test", f"--config.file={example}", f"severity={severity}")
    assert told.split() == [receiver]
