"""An environment file is read as Compose reads it where a docker-compose.yml lies beside it."""

import shutil
from pathlib import Path

import pytest

from deploy.docker.make_secrets import make_secrets
from deploy.doctor.env_file import of_file
from deploy.doctor.findings import Level
from deploy.doctor.settings_checks import examine_settings
from deploy.local.errors import StackRefused
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
    read = of_file(folder / ".env")
    assert folder / "secrets/WABUS_VERIFY_TOKEN" in read.files
    assert read.unseen == {"FROM_A_VAULT"}


def test_without_a_folder_of_its_own_the_trials_secrets_are_those_of_compose(folder: Path) -> None:
    shutil.copytree(ROOT / "deploy/docker/sandbox-secrets", folder / "deploy/docker/sandbox-secrets")
    fill(folder, SECRETS_FOLDER="")
    assert "WABUS_APP_SECRET is the trial's, which is in every copy of the repository: `make secrets`" in said(folder)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("https://${DOMAIN}", "https://acme.io"), ("a$DOMAIN", "aacme.io"), ("'a$DOMAIN'", "a$DOMAIN"), ("a$$b", "a$b"),
        ("${NOBODY:-${DOMAIN}}", "acme.io"), ("${DOMAIN:+there}", "there"), ("${NOBODY:+there}", ""), ("1 # note", "1"),
        ("${EMPTY-d}", ""), ("${EMPTY:-d}", "d"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("beside_compose", [True, False])
def test_a_value_is_what_compose_makes_of_it(folder: Path, line: str, value: str, beside_compose: bool) -> None:
    (folder / ".env").write_text(f"DOMAIN=acme.io\nEMPTY=\nSECRETS_FOLDER=secrets\nWABUS_MONGO_DATABASE={line}\n")
    if not beside_compose:
        (folder / "docker-compose.yml").unlink()
    assert of_file(folder / ".env").get("MONGO_DATABASE") == value


def test_a_dollar_sign_that_eats_half_a_secret_is_told(folder: Path) -> None:
    fill(folder, WABUS_KAFKA_PASSWORD="0f1e2d3c$x4b5a69788796a5b4c3d2")
    assert of_file(folder / ".env").get("KAFKA_PASSWORD") == "0f1e2d3c"
    assert any(words.startswith("$x4b5a69788796a5b4c3d2 in .env") for words in said(folder))


@pytest.mark.parametrize(
    "override",
    [
        "services: {edge: {secrets: !reset null}}", "services: {edge: {secrets: !reset []}}",
        "services: {edge: {ports: !reset null, logging: !reset {}}}\nsecrets:\nvolumes:", "services:\n  edge:\n",
    ],
)  # fmt: skip
def test_what_compose_takes_is_taken(folder: Path, override: str) -> None:
    (folder / "docker-compose.override.yml").write_text(override)
    assert of_file(folder / ".env").get("EDGE_METRICS") == "false"


@pytest.mark.parametrize("reset", ["environment: !reset {}", "environment: {WABUS_EDGE_METRICS: !reset null}"])
def test_a_setting_that_an_override_takes_away_is_not_there(folder: Path, reset: str) -> None:
    fill(folder, WABUS_PUBLIC_URL="https://wabus.acme.test")
    (folder / "docker-compose.override.yml").write_text(f"services: {{edge: {{{reset}}}}}")
    assert any("WABUS_EDGE_METRICS is not false" in words for words in said(folder))


def test_what_an_override_hands_through_or_reads_from_a_file_of_its_own_counts(folder: Path) -> None:
    fill(folder, WABUS_MONGO_DATABASE="ours")
    (folder / "edge.env").write_text("WABUS_LOG_LEVEL=ERROR\n")
    override = "services: {edge: {environment: [WABUS_MONGO_DATABASE], env_file: [edge.env]}}"
    (folder / "docker-compose.override.yml").write_text(override)
    read = of_file(folder / ".env")
    assert (read.get("MONGO_DATABASE"), read.get("LOG_LEVEL")) == ("ours", "ERROR")


def test_a_word_that_has_to_be_said_and_is_not_is_told_in_composes_words(folder: Path) -> None:
    override = "services: {edge: {environment: {WABUS_TRACES_URL: '${TRACES:?say where traces go}'}}}"
    (folder / "docker-compose.override.yml").write_text(override)
    with pytest.raises(StackRefused, match="say where traces go"):
        of_file(folder / ".env")


def test_a_setting_that_does_not_get_through_or_stops_the_others_is_told(folder: Path) -> None:
    fill(folder, WABUS_EDGE_TRUSTED_PROXIES="10.0.0.0/8", WABUS_CAMPAIGNS_AHEAD="P1D", WABUS_GRAPH_ULR="x")
    found = " ".join(said(folder))
    assert "WABUS_EDGE_TRUSTED_PROXIES in .env does not count" in found
    assert "WABUS_CAMPAIGNS_AHEAD in .env is a setting of campaigns alone" in found
    assert "WABUS_GRAPH_ULR in .env is not a setting of Wabus" in found


def test_a_folder_of_secrets_that_is_not_there_hides_nothing_else(folder: Path) -> None:
    shutil.rmtree(folder / "secrets")
    found = " ".join(said(folder))
    assert f"there is no folder of secrets {folder}/secrets (`make secrets`" in found
    assert "WABUS_APP_ID is not set" in found
