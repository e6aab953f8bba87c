import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from services.autoreply.settings import Settings
from services.console.__main__ import MODULES, command_line
from services.console.errors import CommandRefused
from services.console.http_calls import Answer, refusal
from services.console.replay_commands import ANSWERED_WITHIN, _time
from tests.support.running import WABUS

RUNNER = CliRunner()
COMMANDS = [name for names in MODULES.values() for name in names]
GROUPS = {
    "keys": ["create", "list", "roll", "revoke"],
    "tenants": ["create", "list"],
    "send": ["text", "template"],
    "campaigns": ["create", "import", "launch", "watch", "list", "pause", "resume", "cancel", "retry", "export"],
    "analytics": ["rebuild", "reprice"],
    "bots": ["try"],
    "sandbox": ["connect", "write", "review"],
    "replay": ["webhooks"],
    "audit": ["list"],
    "keyring": ["status", "rotate"],
    "dead-letters": ["list", "show", "replay", "discard"],
}
ALL = [[name] for name in COMMANDS if name not in GROUPS] + [[name, sub] for name in GROUPS for sub in GROUPS[name]]


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_command_has_help_with_an_example_and_takes_the_state_directory(words: list[str]) -> None:
    said = RUNNER.invoke(command_line(words), [*words, "--help"], env={"COLUMNS": "200"}).output
    assert f"Example: wabus {' '.join(words)}" in said
    assert "--state" in said


def test_the_help_lists_every_command() -> None:
    said = RUNNER.invoke(command_line([]), ["--help"], env={"COLUMNS": "200"}).output
    assert [name for name in COMMANDS if f" {name} " not in said] == []


def test_only_the_module_of_the_command_is_loaded() -> None:
    group = typer.main.get_command(command_line(["down"]))
    assert sorted(group.commands) == sorted(MODULES["stack_commands"])  # type: ignore[attr-defined]


@pytest.mark.parametrize("option", ["--dry-run", "--rate=1"])
def test_a_kafka_that_is_away_is_one_sentence(option: str, tmp_path: Path) -> None:
    command = [str(WABUS), "replay", "webhooks", option, "--json", "--state", str(tmp_path)]
    environment = {**os.environ, "WABUS_KAFKA_BOOTSTRAP": "127.0.0.1:1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1), done.stderr
    assert done.stderr.startswith("wabus: Kafka at 127.0.0.1:1 cannot be reached")


def test_a_refusal_is_told_in_the_apis_own_words() -> None:
    error = {"message": "No such number.", "param": "to", "code": "number_unknown"}
    assert refusal(Answer(422, {"error": error}, {})) == "No such number. (to) [422 number_unknown]"
    named = error | {"message": "to: Must be a number."}  # it says itself what it is about
    assert refusal(Answer(422, {"error": named}, {})) == "to: Must be a number. [422 number_unknown]"
    assert refusal(Answer(502, "<html>", {})) == "HTTP 502: <html>"


@pytest.mark.parametrize("url", ["http://user:s3cret@127.0.0.1:1", "http://user:s3cret@127.0.0.1:x", "s3cret://"])
def test_an_address_that_does_not_answer_is_told_without_its_login(url: str, tmp_path: Path) -> None:
    command = [str(WABUS), "tenants", "list", "--state", str(tmp_path)]
    environment = {**os.environ, "WABUS_EDGE_URL": url, "WABUS_INTERNAL_SECRET": "f" * 32}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert "user" not in done.stderr


@pytest.mark.parametrize("more", [[], ["--from", "2026-11-23T09:00:00Z"], ["--partition", "0", "--from-offset", "7"]])
def test_bots_are_not_asked_to_answer_what_they_would_not(more: list[str]) -> None:
    words = ["replay", "webhooks", "--tell", "autoreply", *more]
    done = RUNNER.invoke(command_line(words), words)
    assert "nobody who wrote more than 10 minutes ago" in str(done.exception)
    assert timedelta(minutes=ANSWERED_WITHIN) == Settings.model_fields["autoreply_stale_after"].default


@pytest.mark.parametrize(("ago", "more"), [(9, []), (90, ["--answered-within", "120"])])
def test_bots_are_asked_where_they_would_answer(ago: int, more: list[str]) -> None:
    since = (datetime.now(UTC) - timedelta(minutes=ago)).isoformat()
    words = ["replay", "webhooks", "--tell", "autoreply", "--from", since, *more]
    done = RUNNER.invoke(command_line(words), words)
    assert "set WABUS_KAFKA_BOOTSTRAP" in str(done.exception)  # it came as far as looking for a stack


def test_a_time_without_a_zone_is_utc_and_nonsense_is_refused() -> None:
    moment = _time("2026-11-23T09:00:00")
    assert moment is not None
    assert moment.isoformat() == "2026-11-23T09:00:00+00:00"
    with pytest.raises(CommandRefused, match="is not a time"):
        _time("yesterday")
