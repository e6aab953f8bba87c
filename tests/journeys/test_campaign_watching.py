"""Looking on while a campaign runs: server-sent events through edge, and the command line."""

import csv
import io
import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.campaigns import STORED, arrived, becomes, does, draft, launched
from tests.support.running import API, Number, Stack, until
from tests.support.shared_stack import install, refused

SLOW = 20  # messages a second


@pytest.fixture
def slow(stack: Stack) -> Number:
    """A slow number of its own."""
    made = stack.connect(throughput=SLOW, messaging_limit="UNLIMITED")
    install(stack, made, *STORED)
    return made


def events(stack: Stack, campaign_id: str) -> list[tuple[str, dict[str, Any]]]:
    """Read a campaign's stream to its end."""
    found, name = [], ""
    with httpx.stream(
        "GET", f"{stack.info['edge']}{API}/campaigns/{campaign_id}/progress/stream",
        headers={"Authorization": f"Bearer {stack.key}"}, timeout=60, trust_env=False,
    ) as answer:  # fmt: skip
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                found.append((name, json.loads(line.removeprefix("data: "))))
    return found


def test_a_stream_tells_of_every_change_and_ends_with_the_campaign(
    stack: Stack, slow: Number, germans: Callable[[int], list[str]]
) -> None:
    campaign_id = launched(slow, germans(60))
    heard = events(stack, campaign_id)
    assert [name for name, _ in heard[:-1]] == ["progress"] * (len(heard) - 1)
    assert (heard[-1][0], heard[-1][1]["status"]) == ("end", "completed")
    assert len(heard) > 2
    assert all(sum(data["counts"].values()) == data["recipients"] == 60 for _, data in heard)
    waiting = [data["counts"]["pending"] + data["counts"]["queued"] for _, data in heard]
    assert waiting == sorted(waiting, reverse=True)
    assert stack.metric("campaigns", "wabus_campaigns_streams") == 0


def test_a_draft_has_no_stream_and_nobody_may_hold_too_many(
    stack: Stack, slow: Number, germans: Callable[[int], list[str]]
) -> None:
    path = f"/campaigns/{draft(slow, germans(1))}/progress/stream"
    refused(stack.call("GET", path), 409, "wrong_state")
    refused(stack.call("GET", path + "?colour=red"), 422, None, "colour")
    campaign_id = launched(slow, germans(1), scheduled_at="2099-01-01T00:00:00Z")
    url = f"{stack.info['edge']}{API}/campaigns/{campaign_id}/progress/stream"
    with ExitStack() as held, httpx.Client(timeout=30, trust_env=False) as client:
        reading = []
        for _ in range(20):
            answer = held.enter_context(client.stream("GET", url, headers={"Authorization": f"Bearer {stack.key}"}))
            reading.append(answer.iter_lines())
            next(reading[-1])
        refused(stack.call("GET", f"/campaigns/{campaign_id}/progress/stream"), 429, "too_many_streams")
    until(lambda: stack.metric("campaigns", "wabus_campaigns_streams") == 0, "who went away is not written to")
    assert does(stack, campaign_id, "cancel").status_code == 202
    assert events(stack, campaign_id)[-1][1]["status"] == "canceled"


def test_the_command_line_creates_imports_launches_watches_and_exports(
    stack: Stack, slow: Number, germans: Callable[[int], list[str]], tmp_path: Path
) -> None:
    who = germans(30)
    file = tmp_path / "people.csv"
    file.write_text("to\n" + "".join(f"+{each}\n" for each in [*who, who[0]]) + "nobody\n")
    made = json.loads(stack.cli(
        "campaigns", "create", "--name", "a", "--template", "notice", "--phone-number-id", slow.id, "--json"
    ))  # fmt: skip
    said = stack.cli("campaigns", "import", made["id"], str(file))
    assert "30 added, 1 there already, 1 invalid" in said
    assert "line 33: to" in said
    assert "eligible             30" in stack.cli("campaigns", "launch", made["id"], "--dry-run")
    told = [json.loads(line) for line in stack.cli("campaigns", "launch", made["id"], "--watch", "--json").splitlines()]
    assert told[-1]["status"] == "completed"
    assert made["id"] in stack.cli("campaigns", "list")
    until(lambda: sum(arrived(slow).values()) == 30, "everybody is written to")
    exported = list(csv.DictReader(io.StringIO(stack.cli("campaigns", "export", made["id"]))))
    assert {row["to"] for row in exported} == {f"'+{each}" for each in who}


def test_watching_a_canceled_campaign_fails_with_one_sentence(
    stack: Stack, slow: Number, germans: Callable[[int], list[str]]
) -> None:
    campaign_id = launched(slow, germans(400))
    stack.cli("campaigns", "pause", campaign_id)
    becomes(stack, campaign_id, "paused")
    stack.cli("campaigns", "resume", campaign_id)
    stack.cli("campaigns", "cancel", campaign_id)
    with pytest.raises(AssertionError, match="wabus: the campaign is canceled"):
        stack.cli("campaigns", "watch", campaign_id)


def test_a_file_that_is_not_there_or_has_no_right_row_fails_and_imports_nothing(
    stack: Stack, slow: Number, tmp_path: Path
) -> None:
    campaign_id = draft(slow, [])
    with pytest.raises(AssertionError, match="cannot read"):
        stack.cli("campaigns", "import", campaign_id, str(tmp_path / "nobody.csv"))
    assert stack.call("GET", f"/campaigns/{campaign_id}/imports").json()["data"] == []
    (tmp_path / "wrong.csv").write_text("to\nnobody\n")
    with pytest.raises(AssertionError, match="no row of the file is right"):
        stack.cli("campaigns", "import", campaign_id, str(tmp_path / "wrong.csv"))


def test_a_new_stack_has_an_account_to_try_with_by_one_command(stack: Stack, tmp_path: Path) -> None:
    made = json.loads(stack.cli("sandbox", "connect", "--json"))
    number = made["phone_number_id"]
    wrote = ["send", "text", f"+{made['user']}", "It works", "--from", number, "--wait"]
    assert "delivered" in until(lambda: _said(stack, *wrote), "the user's hello opened the window")
    assert "undeliverable" in stack.cli(
        "send", "template", "+15550100002", made["template"], "--parameter", "Bob", "--from", number, "--wait"
    )
    stack.cli("sandbox", "review", made["template"], "pause")
    stack.cli("sandbox", "review", made["template"], "unpause")
    stack.cli("sandbox", "write", "+15550100007", "Hello?", "--to", number)
    path = f"/messages?direction=inbound&phone_number_id={number}"
    until(lambda: len(stack.call("GET", path).json()["data"]) == 2, "both users have written")


def _said(stack: Stack, *command: str) -> str | None:
    try:
        return stack.cli(*command)
    except AssertionError:
        return None
