"""Which deployment a command talks to: the one rule, seen through the commands that follow it."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.local.deployment import ADDRESSES, Deployment, chosen, of_stack
from libs.runtime.errors import StartRefused
from services.console.__main__ import command_line
from services.console.errors import CommandRefused
from services.console.target import Target, target_of

STACK = {
    "edge": "http://127.0.0.1:1", "sandbox": "http://127.0.0.1:2", "kafka": "127.0.0.1:3",
    "mongo": "mongodb://127.0.0.1:4/", "mongo_database": "wabus", "api_key": "cm_test_x", "tenant": "t",
    "kafka_access": {"kafka_security": "PLAINTEXT", "kafka_username": None},
}  # fmt: skip
OWN = {"EDGE_URL": "edge", "SANDBOX_URL": "sandbox", "KAFKA_BOOTSTRAP": "kafka", "MONGO_URL": "mongo"}


@pytest.fixture(autouse=True)
def _nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*ADDRESSES, "API_KEY", "ENCRYPTION_KEYS", "SECRETS_DIR"):
        monkeypatch.delenv(f"WABUS_{name}", raising=False)


def running(state: Path, **changes: Any) -> Path:
    """Write what a stack that runs in a directory says of itself."""
    (state / "stack.json").write_text(json.dumps(STACK | changes))
    return state


def named(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"WABUS_{name}", value)


def test_where_the_environment_names_nothing_it_is_the_stack_of_the_directory(tmp_path: Path) -> None:
    target = target_of(running(tmp_path))
    assert (target.need("edge"), target.need("api_key"), target.tenant) == (STACK["edge"], "cm_test_x", "t")
    assert target.need_kafka().bootstrap == STACK["kafka"]
    assert target.need("internal_secret")


@pytest.mark.parametrize("variable", ADDRESSES)
def test_an_address_in_the_environment_outranks_a_stack_that_runs_and_nothing_of_it_is_mixed_in(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    named(monkeypatch, **{variable: "mongodb://far:5/"})
    target = target_of(running(tmp_path))
    assert target.need(OWN[variable] if variable.endswith("_URL") and variable != "MONGO_URL" else variable.lower())
    for other in set(ADDRESSES) - {variable}:
        with pytest.raises(CommandRefused, match=rf"the environment \(WABUS_{variable}\) .* set WABUS_{other}"):
            target.need(OWN[other] if other in ("EDGE_URL", "SANDBOX_URL") else other.lower())
    for secret in ("api_key", "internal_secret", "encryption_keys"):
        with pytest.raises(CommandRefused):
            target.need(secret)
    assert f"WABUS_{variable}) is what is talked to, not the stack in {tmp_path}" in capsys.readouterr().err


def test_nothing_is_said_where_there_is_no_choice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target_of(running(tmp_path))
    named(monkeypatch, MONGO_URL="mongodb://far:5/")
    target_of(tmp_path / "nothing runs here")
    assert capsys.readouterr().err == ""


def test_a_stack_on_the_very_servers_that_the_environment_names_is_that_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    named(monkeypatch, KAFKA_BOOTSTRAP="kafka:9092", MONGO_URL="mongodb://mongo:27017/")
    target = target_of(running(tmp_path, kafka="kafka:9092", mongo="mongodb://mongo:27017/"))
    assert (target.need("edge"), capsys.readouterr().err) == (STACK["edge"], "")


def test_a_key_in_the_environment_outranks_the_stacks_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named(monkeypatch, API_KEY="cm_test_other", ENCRYPTION_KEYS="b:x")
    target = target_of(running(tmp_path))
    assert (target.need("api_key"), target.need("encryption_keys")) == ("cm_test_other", "b:x")
    assert Target(of_stack(tmp_path), tmp_path).need("api_key") == "cm_test_x"  # the demo's, of its own stack


def test_without_any_it_is_said_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(
        CommandRefused, match=rf"no stack runs in {tmp_path}: .*`wabus up`, or set WABUS_KAFKA_BOOTSTRAP"
    ):
        target_of(tmp_path).need_kafka()


def test_an_empty_variable_names_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named(monkeypatch, EDGE_URL="", KAFKA_SASL_MECHANISM="")
    assert target_of(running(tmp_path)).need("edge") == STACK["edge"]


def test_a_folder_of_secrets_is_read_with_the_environment_and_an_empty_file_of_it_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "WABUS_MONGO_URL").write_text("mongodb://far:5/\n")
    named(monkeypatch, SECRETS_DIR=str(tmp_path))
    found = chosen(tmp_path)
    assert found is not None
    assert (found.get("MONGO_URL"), found.stack) == ("mongodb://far:5/", None)
    (tmp_path / "WABUS_INTERNAL_SECRET").write_text("\n")
    with pytest.raises(StartRefused, match=r"WABUS_INTERNAL_SECRET: its file in .* is empty"):
        chosen(tmp_path)
    named(monkeypatch, SECRETS_DIR=str(tmp_path / "none"))
    with pytest.raises(StartRefused, match="there is no folder"):
        chosen(tmp_path)


def test_a_stack_that_wants_a_login_says_how_to_get_in(tmp_path: Path) -> None:
    access = {
        "kafka_security": "SASL_PLAINTEXT", "kafka_sasl_mechanism": "SCRAM-SHA-512", "kafka_username": "wabus",
        "kafka_password": "f00dc0ffee", "kafka_ca_file": None,
    }  # fmt: skip
    found = of_stack(running(tmp_path, kafka_access=access))
    assert found is not None
    assert found.variables()["WABUS_KAFKA_PASSWORD"] == "f00dc0ffee"
    assert target_of(tmp_path).need_kafka().mechanism == "SCRAM-SHA-512"


def test_what_is_wrong_in_a_deployment_is_told_without_its_value() -> None:
    with pytest.raises(StartRefused, match=r"^WABUS_KAFKA_SECURITY: ") as refused:
        Target(Deployment({"KAFKA_SECURITY": "hunter2"}), Path())
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("words", "lacks"),
    [
        ("migrate --dry-run", "WABUS_MONGO_URL"), ("keyring status", "WABUS_ENCRYPTION_KEYS"),
        ("replay webhooks --dry-run", "WABUS_KAFKA_BOOTSTRAP"), ("tenants list", "WABUS_INTERNAL_SECRET"),
        ("send text +15550100000 hello", "WABUS_API_KEY"), ("sandbox connect", "WABUS_API_KEY"),
    ],
)  # fmt: skip
def test_no_command_falls_back_to_a_stack_that_happens_to_run_here(
    words: str, lacks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named(monkeypatch, EDGE_URL="http://127.0.0.1:9")
    asked = [*words.split(), "--state", str(running(tmp_path))]
    refused = CliRunner().invoke(command_line(asked), asked).exception
    assert isinstance(refused, CommandRefused)
    assert f"the environment (WABUS_EDGE_URL) is what is talked to, and does not say {lacks}" in str(refused)


def test_a_job_of_analytics_gets_the_settings_of_what_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    named(monkeypatch, MONGO_URL="mongodb://127.0.0.1:1/", API_KEY="cm_test_x")
    asked = ["analytics", "rebuild", "--state", str(running(tmp_path))]
    refused = CliRunner().invoke(command_line(asked), asked).exception
    assert isinstance(refused, CommandRefused)
    said = capfd.readouterr().err
    assert "WABUS_KAFKA_BOOTSTRAP is not set" in said
    assert "WABUS_MONGO_URL is not set" not in said
    assert "WABUS_API_KEY" not in said  # the job would not start with a variable that it does not know


def test_the_doctor_looks_at_what_the_environment_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named(monkeypatch, MONGO_URL="mongodb://db.acme.test/")
    asked = ["doctor", "--offline", "--json", "--state", str(running(tmp_path))]
    found = {row["says"]: row["check"] for row in json.loads(CliRunner().invoke(command_line(asked), asked).stdout)}
    assert [check for says, check in found.items() if "MongoDB at db.acme.test is reached" in says] == ["mongodb"]
    assert not any("edge does not start" in says for says in found)  # others are told less than edge
    assert any("this is not edge's environment" in says for says in found)
    named(monkeypatch, MONGO_URL="mongodb://db.acme.test/", APP_SECRET="0f1e2d3c4b5a69788796a5b4c3d2e1f0")
    found = {row["says"]: row["check"] for row in json.loads(CliRunner().invoke(command_line(asked), asked).stdout)}
    assert "WABUS_KAFKA_BOOTSTRAP is not set: edge does not start without it" in found
    assert "python" not in found.values()
