"""An environment file is read as Compose reads it where a docker-compose.yml lies beside it."""

import shutil
from pathlib import Path

import pytest

from deploy.docker.make_secrets import make_secrets
from deploy.doctor.env_file import interpolated, of_file
from deploy.doctor.findings import Level
from deploy.doctor.settings_checks import examine_settings
from tests.support.deployments import ROOT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What an operator has who copied .env.example and ran `make secrets`, and did nothing more."""
    shutil.copy(ROOT / "docker-compose.yml", tmp_path)
    shutil.copy(ROOT / ".env.example", tmp_path / ".env")
    make_secrets(tmp_path / "secrets")
    return tmp_path


def said(folder: Path) -> dict[str, Level]:
    found = examine_settings(of_file(folder / ".env"))
    return {it.says: it.level for it in found if it.level not in (Level.OK, Level.NOTE)}


def fill(folder: Path, **changes: str) -> None:
    lines = (folder / ".env").read_text().splitlines()
    kept = [line for line in lines if line.partition("=")[0] not in changes]
    (folder / ".env").write_text("\n".join([*kept, *(f"{name}={value}" for name, value in changes.items())]))


def test_a_copied_example_that_nobody_filled_in_is_not_fine(folder: Path) -> None:
    found = said(folder)
    errors = [words for words, level in found.items() if level is Level.ERROR]
    assert [words.partition(" is not set")[0] for words in errors if "is not set" in words] == [
        "WABUS_APP_ID", "WABUS_APP_SECRET (a secret)",
    ]  # fmt: skip
    assert [words for words in errors if "WABUS_PUBLIC_URL still names wabus.example.com" in words]


def test_what_compose_says_by_itself_is_not_missed(folder: Path) -> None:
    fill(folder, WABUS_APP_ID="1234567890", WABUS_PUBLIC_URL="https://wabus.acme.test", TRUSTED_PROXIES="172.18.0.1/32")
    (folder / "secrets/WABUS_APP_SECRET").write_text("0f1e2d3c4b5a69788796a5b4c3d2e1f0")
    assert said(folder) == {}
    fill(folder, TRUSTED_PROXIES="")
    assert [words.partition(" is ")[0] for words in said(folder)] == ["WABUS_EDGE_TRUSTED_PROXIES"]


def test_what_an_override_says_counts(folder: Path) -> None:
    told = "[WABUS_EDGE_METRICS=true, WABUS_EDGE_TRUSTED_PROXIES=10.0.0.0/8]"
    override = f"services: {{edge: {{ports: !override [8443:8080], environment: {told}}}}}"
    (folder / "docker-compose.override.yml").write_text(override)
    found = " ".join(said(folder))
    assert "WABUS_EDGE_METRICS is not false" in found
    assert "WABUS_EDGE_TRUSTED_PROXIES" not in found


def test_a_secret_that_is_no_file_here_is_one_that_is_not_seen(folder: Path) -> None:
    override = "services: {edge: {secrets: [FROM_A_VAULT]}}\nsecrets: {FROM_A_VAULT: {external: true}}"
    (folder / "docker-compose.override.yml").write_text(override)
    assert folder / "secrets/WABUS_VERIFY_TOKEN" in of_file(folder / ".env").files


def test_without_a_folder_of_its_own_the_trials_secrets_are_those_of_compose(folder: Path) -> None:
    shutil.copytree(ROOT / "deploy/docker/sandbox-secrets", folder / "deploy/docker/sandbox-secrets")
    fill(folder, SECRETS_FOLDER="")
    assert "WABUS_APP_SECRET is the trial's, which is in every copy of the repository: `make secrets`" in said(folder)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${A}/x", "1/x"), ("$A", "1"), ("${B:-d}", "d"), ("${EMPTY:-d}", "d"), ("${EMPTY-d}", ""), ("${B-d}", "d"),
        ("$$A", "$A"), ("${B}", ""), ("${A:-d}", "1"),
    ],
)  # fmt: skip
def test_places_are_filled_as_compose_fills_them(text: str, value: str) -> None:
    assert interpolated(text, {"A": "1", "EMPTY": ""}) == value
