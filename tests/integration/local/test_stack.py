"""A stack as its owner meets it: what it tells, what comes back, what a crash leaves, what a stop leaves."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.running import WABUS, Stack, running_stack, until

NAMES = {
    "kafka",
    "mongod",
    "sandbox",
    "templates",
    "notifier",
    "campaigns",
    "autoreply",
    "analytics",
    "tracker",
    "sender",
    "edge",
    "supervisor",
}
STOPS_WITHIN = 30.0  # seconds that `wabus down` promises


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """One whole stack for the tests that leave it whole."""
    with running_stack() as running:
        yield running


@pytest.fixture
def own_servers(kafka_bootstrap: str, mongo_url: str) -> dict[str, str]:
    """An environment that points at servers which run already."""
    return {
        "WABUS_KAFKA_BOOTSTRAP": kafka_bootstrap,
        "WABUS_MONGO_URL": mongo_url,
        "WABUS_MONGO_DATABASE": "own_servers",
    }


def wabus(directory: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [WABUS, *arguments, "--state", str(directory)],
        capture_output=True, text=True, timeout=120, env={**os.environ, **environment}, check=False,
    )  # fmt: skip


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one sentence on standard error of a command that ended with 1."""
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.stderr


def alive(pids: Mapping[str, int]) -> list[str]:
    return [name for name, pid in pids.items() if psutil.pid_exists(pid) and not _ended(pid)]


def _ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def processes_of(directory: Path) -> list[str]:
    """Return the command lines of all processes that name the directory or inherited it."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        words = [*(process.info["cmdline"] or []), *(process.info["environ"] or {}).values()]
        if any(str(directory) in word for word in words) and process.pid != os.getpid():
            found.append(" ".join(process.info["cmdline"] or []))
    return found


def test_stack_json_tells_a_program_everything_and_nobody_else(stack: Stack) -> None:
    assert set(stack.info["pids"]) == NAMES
    assert alive(stack.info["pids"]) == list(stack.info["pids"])
    for url in stack.info["metrics"].values():
        assert httpx.get(url).text.startswith("# HELP")
    assert stack.info["api_key"].startswith("cm_test_")
    for name in ("stack.json", "secrets.json"):
        assert (stack.directory / name).stat().st_mode & 0o077 == 0, name
    assert stack.directory.stat().st_mode & 0o077 == 0


def test_a_second_up_joins_the_stack_that_runs(stack: Stack) -> None:
    before = stack.info["pids"]
    stack.cli("up", "--detach")
    assert stack.info["pids"] == before


def test_restart_gives_a_new_process_at_the_same_address(stack: Stack) -> None:
    before = dict(stack.info["pids"]), dict(stack.info["metrics"])
    stack.cli("restart", "templates")
    assert stack.info["pids"]["templates"] != before[0]["templates"]
    assert stack.info["metrics"] == before[1]
    assert httpx.get(stack.info["metrics"]["templates"].replace("/metrics", "/readyz")).status_code == 200


def test_a_process_that_dies_comes_back_by_itself(stack: Stack) -> None:
    before = stack.info["pids"]["sandbox"]
    stack.kill("sandbox")

    def back() -> bool:
        rows = json.loads(wabus(stack.directory, "status", "--json").stdout)
        row = next(row for row in rows if row["name"] == "sandbox")
        return bool(row["state"] == "ready" and row["pid"] != before)

    until(back, "the sandbox is back", 30)
    stack.cli("status")
    assert stack.info["pids"]["sandbox"] != before


def test_a_process_that_was_stopped_stays_down_until_it_is_restarted(stack: Stack) -> None:
    stack.cli("stop", "templates")
    assert "templates" not in stack.info["pids"]
    until(lambda: not alive({"templates": stack.info["pids"].get("templates", -1)}), "it is gone")
    stack.cli("restart", "templates")
    assert "templates" in alive(stack.info["pids"])


def test_logs_show_the_last_lines_of_a_process(stack: Stack) -> None:
    assert '"ready"' in stack.cli("logs", "edge", "-n", "40")
    assert "there is no log of nobody" in refused(wabus(stack.directory, "logs", "nobody"))


def test_tenants_and_keys_are_made_and_ended_from_the_command_line(stack: Stack) -> None:
    tenant = json.loads(stack.cli("tenants", "create", "--name", "Blue", "--json"))["id"]
    made = json.loads(stack.cli("keys", "create", "--tenant", tenant, "--scopes", "whatsapp:read", "--json"))
    assert stack.call("GET", "/accounts", key=made["key"]).status_code == 200
    stack.cli("keys", "revoke", made["id"])
    until(lambda: stack.call("GET", "/accounts", key=made["key"]).status_code == 401, "the key is dead", 5)
    rows = json.loads(stack.cli("keys", "list", "--tenant", tenant, "--json"))
    assert made["key"] not in json.dumps(rows)


def test_webhooks_are_replayed_and_change_nothing(stack: Stack) -> None:
    number = stack.connect()
    number.hears("15551230001")
    until(lambda: stack.call("GET", "/messages?direction=inbound").json()["data"], "she is heard")
    before = stack.call("GET", "/messages?direction=inbound").json()["data"]
    counted = json.loads(stack.cli("replay", "webhooks", "--dry-run", "--json"))["records"]
    assert counted >= 1
    assert json.loads(stack.cli("replay", "webhooks", "--json"))["records"] == counted
    assert json.loads(stack.cli("replay", "webhooks", "--dry-run", "--json"))["records"] == counted
    assert stack.call("GET", "/messages?direction=inbound").json()["data"] == before


def test_what_connecting_an_account_prints_can_be_pasted(stack: Stack) -> None:
    [line] = [line for line in stack.cli("sandbox", "connect").splitlines() if "export " in line]
    told = dict(word.split("=", 1) for word in shlex.split(line)[1:])
    body = {"phone_number_id": told["FROM"], "to": told["TO"], "text": "It works"}
    headers = {"Authorization": f"Bearer {told['KEY']}"}
    answer = stack.http.post(f"{told['API']}/api/v1/whatsapp/messages", json=body, headers=headers)
    assert answer.status_code == 202, answer.text


def test_the_demo_is_right_from_the_first_step_to_the_last(stack: Stack) -> None:
    assert re.search(r"(\d+) of \1 steps were right", stack.cli("demo"))


def test_everything_killed_starts_again_with_its_data_beside_another_stack(stack: Stack) -> None:
    with running_stack("--without", "sender", "--without", "templates") as other:
        assert not {"sender", "templates"} & set(other.info["pids"])
        tenants, others = stack.cli("tenants", "list", "--json"), other.cli("tenants", "list", "--json")
        assert json.loads(tenants)[0]["id"] != json.loads(others)[0]["id"]
        before = stack.info
        os.kill(before["pids"]["supervisor"], signal.SIGKILL)
        for name in before["pids"]:
            stack.kill(name)
        stack.cli("up", "--detach")
        assert stack.info["api_key"] == before["api_key"]
        assert stack.cli("tenants", "list", "--json") == tenants
        assert not set(before["pids"].values()) & set(stack.info["pids"].values())
        assert alive(other.info["pids"]) == list(other.info["pids"])


def test_down_leaves_nothing_running_and_keeps_the_data_until_it_is_wiped(tmp_path: Path) -> None:
    directory = tmp_path / ("deep" * 30) / "state"  # longer than the path of a socket may be
    assert wabus(directory, "up", "--detach").returncode == 0
    pids = json.loads((directory / "stack.json").read_text())["pids"]
    began = time.monotonic()
    assert wabus(directory, "down").returncode == 0
    assert time.monotonic() - began < STOPS_WITHIN
    assert alive(pids) == []
    assert processes_of(directory) == []
    assert not (directory / "stack.json").exists()
    assert (directory / "mongod").exists()
    (directory / "mine.txt").write_text("not the stack's")
    assert wabus(directory, "down", "--wipe").returncode == 0
    assert [path.name for path in directory.iterdir()] == ["mine.txt"]


def test_own_servers_are_used_and_left_running(tmp_path: Path, own_servers: dict[str, str]) -> None:
    assert wabus(tmp_path, "up", "--detach", "--without", "sender", **own_servers).returncode == 0
    try:
        info = json.loads((tmp_path / "stack.json").read_text())
        assert not {"kafka", "mongod"} & set(info["pids"])
        assert info["mongo"] == own_servers["WABUS_MONGO_URL"]
    finally:
        assert wabus(tmp_path, "down").returncode == 0
    with socket.create_connection(("127.0.0.1", int(own_servers["WABUS_KAFKA_BOOTSTRAP"].rpartition(":")[2])), 2):
        pass


def test_a_busy_port_is_one_sentence_and_nothing_is_left(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(wabus(tmp_path, "up", "--detach", "--edge-port", str(port)))
    assert f"port {port}" in said
    assert processes_of(tmp_path) == []


def test_a_service_that_cannot_start_is_one_sentence_and_stops_the_rest(
    tmp_path: Path, own_servers: dict[str, str]
) -> None:
    done = wabus(tmp_path, "up", "--detach", WABUS_SENDER_WINDOW="0", **own_servers)
    assert "sender ended with code 1: WABUS_SENDER_WINDOW" in refused(done)
    assert processes_of(tmp_path) == []


def test_a_misspelt_setting_is_refused_by_name(tmp_path: Path) -> None:
    assert "WABUS_SENDER_WINDWO" in refused(wabus(tmp_path, "up", "--detach", WABUS_SENDER_WINDWO="9"))


def test_a_service_that_does_not_exist_is_refused_by_name(tmp_path: Path) -> None:
    assert "there is no service sendr" in refused(wabus(tmp_path, "up", "--detach", "--without", "sendr"))


def test_commands_without_a_stack_say_how_to_start_one(tmp_path: Path) -> None:
    for command in (("status",), ("restart", "edge"), ("keys", "list"), ("dead-letters", "list")):
        assert "wabus up" in refused(wabus(tmp_path, *command))


def test_ctrl_c_ends_a_stack_in_the_foreground_in_order(tmp_path: Path, own_servers: dict[str, str]) -> None:
    command = [str(WABUS), "up", "--without", "sender", "--state", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, **own_servers}, text=True) as running:
        try:
            until(lambda: (tmp_path / "stack.json").exists(), "it is up", 60)
            pids = json.loads((tmp_path / "stack.json").read_text())["pids"]
            running.send_signal(signal.SIGINT)
            said, _ = running.communicate(timeout=STOPS_WITHIN)
        finally:
            running.kill()
    assert running.returncode == 0
    assert "Test key    cm_test_" in said
    assert said.rstrip().endswith("stopped")
    assert alive(pids) == []


def test_a_supervisor_that_is_killed_takes_its_processes_along(tmp_path: Path, own_servers: dict[str, str]) -> None:
    if sys.platform != "linux":  # only Linux tells a child that its parent died; elsewhere the next `up` clears away
        return
    assert wabus(tmp_path, "up", "--detach", "--without", "sender", **own_servers).returncode == 0
    pids = json.loads((tmp_path / "stack.json").read_text())["pids"]
    os.kill(pids["supervisor"], signal.SIGKILL)
    until(lambda: alive(pids) == [], "all are gone", STOPS_WITHIN)
