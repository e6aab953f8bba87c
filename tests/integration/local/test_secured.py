"""A stack whose servers want TLS and a login: the circle goes round, and who does not know the way is told so."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure, ServerSelectionTimeoutError

from deploy.local.certificates import Certificates
from tests.support.running import Stack, running_stack

UNCONCERNED = ("templates", "campaigns", "analytics", "autoreply", "notifier")
REFUSED_WITHIN = 30.0  # seconds, on a machine that is busy with everything else
NAMED = "WABUS_KAFKA_"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    left_out = [word for name in UNCONCERNED for word in ("--without", name)]
    with running_stack("--secure", *left_out) as running:
        yield running


@pytest.fixture(scope="module")
def environment(stack: Stack) -> dict[str, str]:
    """What the stack tells its tracker, for another one beside it."""
    raw = Path(f"/proc/{stack.info['pids']['tracker']}/environ").read_bytes().decode().split("\0")
    told = dict(entry.split("=", 1) for entry in raw if entry)
    return told | {"WABUS_HTTP_PORT": "0"}


def refused(module: str, environment: dict[str, str]) -> str:
    """Run a program that must not start; -> the sentence it ends with."""
    done = subprocess.run(
        [sys.executable, "-m", module],
        env=environment, capture_output=True, text=True, timeout=REFUSED_WITHIN, check=False,
    )  # fmt: skip
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    for secret in ("WABUS_KAFKA_PASSWORD", "WABUS_MONGO_URL"):
        assert environment.get(secret, "nowhere") not in done.stdout + done.stderr
    return done.stderr


def test_a_message_goes_round_the_circle_over_tls_and_logins(stack: Stack) -> None:
    number = stack.connect(throughput=1000)
    number.open_windows(["15551234567"])
    sent = number.send("15551234567")
    assert sent.status_code == 202, sent.text
    number.reaches(sent.json()["id"])
    assert "nothing there" in stack.cli("dead-letters", "list")


@pytest.mark.parametrize(
    "command", ["migrate --dry-run", "keyring status", "replay webhooks --dry-run", "analytics rebuild"]
)
def test_commands_get_in_as_the_services_do(stack: Stack, command: str) -> None:
    stack.cli(*command.split())


def test_servers_take_nobody_without_tls_or_without_a_login(stack: Stack) -> None:
    with_login, _, query = stack.info["mongo"].partition("?")
    host = with_login.rpartition("@")[2].rstrip("/")
    client: MongoClient[dict[str, object]]
    with MongoClient(f"mongodb://{host}/?{query}") as client, pytest.raises(OperationFailure):
        client.admin.command("listDatabases")
    open_client: MongoClient[dict[str, object]] = MongoClient(
        f"mongodb://{host}/?directConnection=true", serverSelectionTimeoutMS=500
    )
    with open_client, pytest.raises(ServerSelectionTimeoutError):
        open_client.admin.command("ping")


def test_a_service_tells_when_its_certificates_run_out(stack: Stack) -> None:
    sums = stack.metric("tracker", "wabus_certificate_expiry_timestamp_seconds")
    assert sums > 0


@pytest.mark.parametrize("module", ["services.tracker", "deploy.local.topics"])
def test_a_wrong_password_for_kafka_is_one_sentence(environment: dict[str, str], module: str) -> None:
    said = refused(module, environment | {"WABUS_KAFKA_PASSWORD": "not-the-one"})
    assert "refuses the user of WABUS_KAFKA_USERNAME and WABUS_KAFKA_PASSWORD" in said


@pytest.mark.parametrize(("name", "server"), [("WABUS_KAFKA_CA_FILE", "Kafka"), ("WABUS_MONGO_CA_FILE", "MongoDB")])
def test_an_authority_that_signed_nothing_here_is_one_sentence(
    environment: dict[str, str], tmp_path: Path, name: str, server: str
) -> None:
    another = Certificates(tmp_path)
    another.make()
    said = refused("services.tracker", environment | {name: str(another.ca)})
    assert server in said
    assert name in said


def test_a_client_of_kafka_that_does_not_encrypt_is_one_sentence(environment: dict[str, str]) -> None:
    plain = {name: value for name, value in environment.items() if not name.startswith(NAMED)}
    plain["WABUS_KAFKA_BOOTSTRAP"] = environment["WABUS_KAFKA_BOOTSTRAP"]
    assert "WABUS_KAFKA_SECURITY=PLAINTEXT" in refused("services.tracker", plain)


def test_a_client_of_kafka_that_does_not_log_in_is_one_sentence(environment: dict[str, str]) -> None:
    login = ("WABUS_KAFKA_SASL_MECHANISM", "WABUS_KAFKA_USERNAME", "WABUS_KAFKA_PASSWORD")
    nobody = {name: value for name, value in environment.items() if name not in login}
    assert "WABUS_KAFKA_SECURITY=SSL" in refused("services.tracker", nobody | {"WABUS_KAFKA_SECURITY": "SSL"})


def test_a_client_of_mongodb_that_does_not_encrypt_is_one_sentence(environment: dict[str, str]) -> None:
    assert "WABUS_MONGO_CA_FILE" in refused("services.tracker", environment | {"WABUS_MONGO_CA_FILE": ""})


@pytest.mark.parametrize("login", ["wabus:not-the-one@", ""])
def test_a_wrong_login_at_mongodb_is_one_sentence(environment: dict[str, str], login: str) -> None:
    host = environment["WABUS_MONGO_URL"].rpartition("@")[2]
    said = refused("services.tracker", environment | {"WABUS_MONGO_URL": f"mongodb://{login}{host}"})
    assert "WABUS_MONGO_URL" in said


def test_logs_and_processes_show_no_password(stack: Stack) -> None:
    secrets = json.loads((stack.directory / "secrets.json").read_text())
    hidden = [secrets[name].encode() for name in ("kafka_password", "mongo_password")]
    shown = [log.read_bytes() for log in stack.directory.glob("logs/*.log")]
    shown += [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in stack.info["pids"].values()]
    assert not [1 for text in shown for secret in hidden if secret in text]
