"""`wabus doctor` at a running stack, and at a deployment that an environment file describes."""

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.support.running import WABUS, Stack

OTHERS = ("TEMPLATES", "NOTIFIER", "CAMPAIGNS", "ANALYTICS", "AUTOREPLY")  # services that edge forwards to

Findings = list[dict[str, Any]]


def doctor(*words: str) -> tuple[int, Findings]:
    """Run it; -> its exit code and what it found."""
    done = subprocess.run([WABUS, "doctor", "--json", *words], capture_output=True, text=True, timeout=90, check=False)
    assert done.stdout, done.stderr
    found: Findings = json.loads(done.stdout)
    return done.returncode, found


def described(tmp_path: Path, stack: Stack, **changes: str) -> str:
    """Write an environment file of a deployment on the stack's servers."""
    ring = f"k1:{base64.b64encode(os.urandom(32)).decode()}"
    values = {
        "KAFKA_BOOTSTRAP": stack.info["kafka"], "MONGO_URL": stack.info["mongo"], "PUBLIC_URL": stack.info["edge"],
        "MONGO_DATABASE": stack.info["mongo_database"], "GRAPH_URL": "https://graph.facebook.com",
        "ENCRYPTION_KEYS": ring, "APP_ID": "1234567890",
        **{name: os.urandom(16).hex() for name in ("APP_SECRET", "VERIFY_TOKEN", "LOG_HASH_KEY", "INTERNAL_SECRET")},
        **{f"{name}_URL": f"http://{name.lower()}:8080" for name in OTHERS},
    } | changes  # fmt: skip
    file = tmp_path / "env"
    file.write_text("".join(f"WABUS_{name}={value}\n" for name, value in values.items()))
    return str(file)


def said(found: Findings, check: str) -> dict[str, str]:
    return {row["says"]: row["level"] for row in found if row["check"] == check}


def test_a_local_stack_is_not_called_broken_for_being_local(stack: Stack) -> None:
    code, found = doctor("--state", str(stack.directory))
    assert (code, {row["level"] for row in found}) == (0, {"ok", "note"}), found
    assert {row["check"] for row in found} >= {"python", "disk", "secrets", "kafka", "database", "topics", "edge"}
    assert said(found, "database") == {"nothing weak found": "ok"}
    assert said(found, "topics") == {"nothing weak found": "ok"}
    assert any("/metrics answers whoever asks" in words for words in said(found, "edge"))


def test_a_deployment_with_the_real_meta_is_told_what_is_wrong_with_it(stack: Stack, tmp_path: Path) -> None:
    more = {"MONGO_DATABASE": "never-migrated", "WEBHOOKS_KEPT": "P60D"}
    code, found = doctor("--env-file", described(tmp_path, stack, **more))
    assert code == 1
    assert "python" not in {row["check"] for row in found}
    assert {"error"} == {level for words, level in said(found, "database").items() if "was not run" in words}
    topics = said(found, "topics")
    assert any("meta.webhooks.v1: retention.ms" in words for words in topics)
    assert any("are kept 60 days" in words for words in topics)
    assert any("WABUS_PUBLIC_URL is http" in words for words in said(found, "addresses"))
    assert "warning" in [level for words, level in said(found, "edge").items() if "/metrics" in words]


def test_a_ring_that_cannot_read_what_is_stored_is_an_error(stack: Stack, number: Any, tmp_path: Path) -> None:
    assert number.id
    code, found = doctor("--env-file", described(tmp_path, stack))
    problems = [words for words, level in said(found, "database").items() if level == "error"]
    assert code == 1
    assert any("accounts.access_token name the key `k1`, and the ring has another key" in words for words in problems)


def test_servers_that_cannot_be_reached_from_here_are_a_note(stack: Stack, tmp_path: Path) -> None:
    nowhere = {
        "KAFKA_BOOTSTRAP": "127.0.0.1:1",
        "MONGO_URL": "mongodb://127.0.0.1:1/",
        "PUBLIC_URL": "https://127.0.0.1:1",
    }
    code, found = doctor("--env-file", described(tmp_path, stack, **nowhere))
    assert code == 0, found
    for check in ("database", "topics", "edge"):
        assert [(level, words.split(":")[0]) for words, level in said(found, check).items()] == [
            ("note", "could not be asked from here")
        ]


def test_without_its_servers_only_the_settings_are_read(stack: Stack, tmp_path: Path) -> None:
    _, found = doctor("--env-file", described(tmp_path, stack), "--offline")
    assert {row["check"] for row in found} & {"database", "topics", "edge"} == set()
