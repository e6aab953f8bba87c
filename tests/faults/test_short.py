"""The short version of the fault tests: some hundred messages, every process killed, every gap between two writes."""

from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.faults.campaigns import Campaign
from tests.faults.dying import moments_of
from tests.faults.scenarios import PEOPLE, await_progress, close_the_door, die, kill_and_restart, settle, usual_faults
from tests.faults.workload import Workload
from tests.support.running import Number, Stack, until

REF = "edge-died-under-it"
QUIET = 120.0  # seconds until everything has come to its end: several leases and waits


def test_nothing_is_lost_or_sent_twice_while_every_process_is_killed_in_turn(
    stack: Stack, numbers: list[Number]
) -> None:
    usual_faults(stack)
    workload = Workload(stack, numbers, PEOPLE)
    workload.start(800, per_second=60)
    for place, name in enumerate(("sender", "tracker", "edge", "mongod", "kafka")):
        await_progress(workload, 80 + place * 130)
        kill_and_restart(stack, name)
    assert len(settle(stack, workload, QUIET).accepted) == 800


def test_nothing_is_lost_or_sent_twice_when_a_service_dies_between_any_two_writes(
    stack: Stack, numbers: list[Number]
) -> None:
    """Each service dies at its moments one after the other, the services at the same time."""
    workload = Workload(stack, numbers, PEOPLE, connections=4)
    workload.start(4_000, per_second=20)
    with ThreadPoolExecutor() as pool:
        dying = [pool.submit(_die_at_each, stack, moments_of(it)) for it in ("edge", "sender", "tracker")]
    for service in dying:
        service.result()
    workload.stopped.set()
    settle(stack, workload, QUIET)


def test_nothing_is_sent_twice_after_edge_was_down_for_longer_than_an_unknown_outcome_is_waited_for(
    stack: Stack, numbers: list[Number]
) -> None:
    """Meta had told of later messages before it had nobody left to tell anything to."""
    stack.box("POST", "/faults", {"kind": "accept_then_reset", "share": 0.3})
    stack.box("POST", "/faults", {"kind": "webhooks_late", "share": 0.3, "seconds": 4})
    workload = Workload(stack, numbers, PEOPLE)
    workload.start(160, per_second=80)
    await_progress(workload, 120)
    close_the_door(stack, 14.0)  # lease and wait are 10 s together
    settle(stack, workload, QUIET)


def test_a_call_that_edge_died_under_gives_its_message_when_its_key_is_sent_again(
    stack: Stack, numbers: list[Number]
) -> None:
    with ThreadPoolExecutor(1) as pool:
        dying = pool.submit(die, stack, "between storing and answering")
        until(lambda: _post(stack, numbers[0], "GET") is None, "edge is stopped", 20, 0.01)
        broken = until(lambda: _post(stack, numbers[0]), "edge dies under the call", 60)
        dying.result()
    assert isinstance(broken, httpx.ReadError | httpx.RemoteProtocolError), broken
    first, again = (until(lambda: _post(stack, numbers[0]), "edge is back", 20) for _ in range(2))
    assert (first.status_code, first.headers.get("Idempotent-Replayed")) == (202, "true"), first.text
    assert again.json()["id"] == first.json()["id"]
    stored = stack.call("GET", f"/messages?client_ref={REF}").json()["data"]
    assert [row["id"] for row in stored] == [first.json()["id"]]
    numbers[0].reaches(first.json()["id"], seconds=60)
    sends = [row for row in stack.sends() if REF in str(row)]
    assert len(sends) == 1, sends


def test_a_campaign_reaches_everybody_once_while_services_are_killed_and_it_is_paused_and_resumed(
    stack: Stack,
) -> None:
    campaign = Campaign(stack, [f"491520{i:07d}" for i in range(1_200)], 200)
    for service in ("campaigns", "sender"):
        kill_and_restart(stack, service)
    campaign.does("pause")
    kill_and_restart(stack, "campaigns")
    campaign.does("resume")
    kill_and_restart(stack, "tracker")
    campaign.check(120)


def _die_at_each(stack: Stack, moments: list[str]) -> None:
    for moment in moments:
        die(stack, moment)


def _post(stack: Stack, number: Number, method: str = "POST") -> httpx.Response | httpx.HTTPError | None:
    """Send the message, or only look; -> the answer, how the call broke off, or None where nobody listens."""
    body = {"phone_number_id": number.id, "to": f"+{PEOPLE[0]}", "text": REF, "client_ref": REF}
    try:
        return stack.call(method, "/messages", body, headers={"Idempotency-Key": REF})
    except httpx.ConnectError:
        return None
    except httpx.HTTPError as broken:
        return broken
