"""Campaigns through the public API: everybody exactly once, whatever is pressed in between."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.support.campaigns import STORED, arrived, becomes, body_of, does, draft, launched, read
from tests.support.running import Number, Stack, parallel_calls, until
from tests.support.shared_stack import all_rows, greet, install, refused

SLOW = 20  # messages a second: slow enough to be paused in the middle


@pytest.fixture(scope="module")
def shop(stack: Stack) -> Number:
    """A fast number with two templates, whose portfolio may reach everybody."""
    made = stack.connect(throughput=1000, messaging_limit="UNLIMITED")
    install(stack, made, *STORED)
    return made


@pytest.fixture
def slow(stack: Stack) -> Number:
    """A slow number of its own."""
    made = stack.connect(throughput=SLOW, messaging_limit="UNLIMITED")
    install(stack, made, *STORED)
    return made


def test_everybody_is_written_to_once_with_their_own_words(
    stack: Stack, shop: Number, germans: Callable[[int], list[str]]
) -> None:
    who = germans(120)
    campaign_id = launched(shop, who, "sale")
    becomes(stack, campaign_id, "completed")
    done = until(
        lambda: row if (row := read(stack, campaign_id))["counts"]["delivered"] == 120 else None, "all are delivered"
    )
    assert done["recipients"] == 120
    assert {each: arrived(shop)[each] for each in who} == dict.fromkeys(who, 1)
    texts = {
        row["to"].removeprefix("+"): row["body"]["template"]["components"][0]["parameters"][0]["text"]
        for row in stack.sends()
        if row["phone_number_id"] == shop.id and row["to"].removeprefix("+") in who
    }
    assert texts == {each: each for each in who}
    listed = stack.call("GET", f"/messages?campaign_id={campaign_id}&phone_number_id={shop.id}&limit=100").json()
    assert len(listed["data"]) == 100
    assert {row["campaign_id"] for row in listed["data"]} == {campaign_id}
    rows = all_rows(stack, f"/campaigns/{campaign_id}/recipients")
    assert {row["to"] for row in rows} == {f"+{each}" for each in who}
    assert {row["state"] for row in rows} == {"delivered"}


def test_a_person_is_added_once_however_their_number_is_typed_and_bad_rows_are_named(
    stack: Stack, shop: Number, germans: Callable[[int], list[str]]
) -> None:
    campaign_id, (ann, bob) = draft(shop, [], "sale"), germans(2)
    rows: list[Any] = [
        {"to": f"+{ann}", "components": body_of("Ann")},
        {"to": f"+{ann[:4]} {ann[4:8]}-{ann[8:]}", "components": body_of("Ann")},
        {"to": "nonsense", "components": body_of("x")},
        {"to": f"+{bob}"},
        {"to": f"+{bob}", "components": body_of("Bob"), "colour": "red"},
        "row",
        {"to": f"+{bob}", "components": body_of("Bob")},
    ]
    report = does(stack, campaign_id, "recipients", recipients=rows).json()
    assert (report["added"], report["duplicates"], report["invalid"]) == (2, 1, 4)
    assert [each["path"].split(".")[1] for each in report["errors"]] == ["2", "3", "4", "5"]
    assert does(stack, campaign_id, "recipients", recipients=[rows[0]]).json()["duplicates"] == 1
    row = read(stack, campaign_id)
    assert (row["recipients"], row["duplicates"], row["invalid"]) == (2, 2, 4)


def test_recipients_may_come_with_the_campaign(stack: Stack, shop: Number, germans: Callable[[int], list[str]]) -> None:
    body = {
        "name": "a", "template": "sale", "phone_number_id": shop.id, "components": body_of("all"),
        "recipients": [{"to": f"+{each}"} for each in germans(3)],
    }  # fmt: skip
    made = stack.call("POST", "/campaigns", body).json()
    assert (made["recipients"], made["report"]["added"]) == (3, 3)


def test_a_dry_run_says_who_would_be_left_out_and_sends_nothing(
    stack: Stack, shop: Number, germans: Callable[[int], list[str]]
) -> None:
    who = germans(4)
    greet(shop, who[0], "STOP")
    campaign_id = draft(shop, [*who, "12125550123"], "sale")
    before = arrived(shop)
    plan = does(stack, campaign_id, "launch", dry_run=True).json()
    assert (plan["eligible"], plan["opted_out"], plan["not_deliverable"]) == (3, 1, 1)
    assert plan["seconds"] >= 0
    (line,) = plan["cost"]["lines"]
    assert (line["market"], line["category"], line["messages"]) == ("DE", "MARKETING", 3)
    assert Decimal(plan["cost"]["amount"]) == Decimal(line["amount"]) == 3 * Decimal(line["price"])
    assert (plan["cost"]["currency"], plan["cost"]["unpriced_messages"]) == ("USD", 0)
    assert (read(stack, campaign_id)["status"], arrived(shop) - before) == ("draft", Counter())
    assert does(stack, campaign_id, "launch").status_code == 202
    row = becomes(stack, campaign_id, "completed")
    assert row["counts"]["skipped"] == 2
    progress = stack.call("GET", f"/campaigns/{campaign_id}/progress").json()
    assert {each["code"]: each["count"] for each in progress["errors"]} == {
        "recipient_opted_out": 1, "not_deliverable": 1,
    }  # fmt: skip
    assert who[0] not in arrived(shop) - before


def test_of_many_launches_one_wins(stack: Stack, shop: Number, germans: Callable[[int], list[str]]) -> None:
    who = germans(5)
    campaign_id = draft(shop, who)
    answers = parallel_calls(8, lambda: does(stack, campaign_id, "launch"))
    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 7
    error = refused(next(answer for answer in answers if answer.status_code == 409), 409, "wrong_state")
    assert "pause" in error["allowed"] or error["status"] == "completed"
    becomes(stack, campaign_id, "completed")
    until(lambda: all(arrived(shop)[each] == 1 for each in who), "all are written to")


def test_a_pause_takes_back_what_is_queued_and_resume_sends_it_once(
    stack: Stack, slow: Number, germans: Callable[[int], list[str]]
) -> None:
    who = germans(110)
    campaign_id = launched(slow, who)
    until(lambda: len(arrived(slow)) >= 20, "some are sent")
    assert does(stack, campaign_id, "pause").status_code == 202
    until(lambda: read(stack, campaign_id)["counts"]["queued"] == 0, "nothing is queued any more", 5)
    held = sum(arrived(slow).values())
    row = read(stack, campaign_id)
    assert row["counts"]["pending"] == 110 - held
    assert (row["status"], row["pause_reason"]) == ("paused", "asked")
    refused(does(stack, campaign_id, "pause"), 409, "wrong_state")
    assert does(stack, campaign_id, "resume").status_code == 202
    becomes(stack, campaign_id, "completed", 60)
    until(lambda: sum(arrived(slow).values()) >= 110, "everybody is written to", 60)
    assert arrived(slow) == Counter(who)


def test_cancel_leaves_nothing_queued(stack: Stack, slow: Number, germans: Callable[[int], list[str]]) -> None:
    who = germans(300)
    campaign_id = launched(slow, who)
    until(lambda: len(arrived(slow)) >= 10, "some are sent")
    assert does(stack, campaign_id, "cancel").status_code == 202
    row = until(
        lambda: (
            found if not (found := read(stack, campaign_id))["counts"]["queued"] + found["counts"]["pending"] else None
        ),
        "nobody waits",
        10,
    )
    sent = len(arrived(slow))
    assert row["counts"]["canceled"] == 300 - sent
    error = refused(does(stack, campaign_id, "resume"), 409, "wrong_state")
    assert (error["status"], error["allowed"]) == ("canceled", ["delete"])
    until(
        lambda: stack.call("DELETE", f"/campaigns/{campaign_id}").status_code == 204, "nothing is taken back any more"
    )
    refused(stack.call("GET", f"/campaigns/{campaign_id}"), 404, "campaign_not_found")


def test_a_campaign_pauses_itself_when_its_template_is_paused_and_goes_on_when_it_is_back(
    stack: Stack, slow: Number, germans: Callable[[int], list[str]]
) -> None:
    who = germans(400)
    campaign_id = launched(slow, who)
    there = next(
        row for row in stack.box("GET", "/templates")["data"]
        if row["name"] == "notice" and row["waba_id"] == slow.waba_id
    )  # fmt: skip
    stack.box("POST", f"/templates/{there['id']}/review", {"action": "pause"})
    row = becomes(stack, campaign_id, "paused", 20)
    assert row["pause_reason"] == "template_not_approved"
    refused(does(stack, campaign_id, "resume"), 422, "template_not_approved")
    assert does(stack, campaign_id, "cancel").status_code == 202


def test_who_failed_is_written_to_again_by_the_code_they_failed_with(
    stack: Stack, shop: Number, germans: Callable[[int], list[str]]
) -> None:
    (fine,) = germans(1)
    campaign_id = launched(shop, [fine, "15550131026", "15550130472"])
    becomes(stack, campaign_id, "completed")
    until(lambda: read(stack, campaign_id)["counts"]["failed"] == 2, "two have failed")
    before = stack.sends()
    codes = {row["error"]["code"] for row in all_rows(stack, f"/campaigns/{campaign_id}/recipients") if row["error"]}
    refused(does(stack, campaign_id, "retry", codes=["no_such_code"]), 409, "nothing_to_retry")
    assert read(stack, campaign_id)["status"] == "completed"
    assert does(stack, campaign_id, "retry", codes=sorted(codes)).json()["retried"] == 2
    becomes(stack, campaign_id, "completed")
    until(lambda: read(stack, campaign_id)["counts"]["failed"] == 2, "they failed again")
    again = Counter(row["to"].removeprefix("+") for row in stack.sends()[len(before) :])
    assert fine not in again
    rounds = {row["to"]: row["round"] for row in all_rows(stack, f"/campaigns/{campaign_id}/recipients")}
    assert rounds == {f"+{fine}": 0, "+15550131026": 1, "+15550130472": 1}


def test_a_message_of_unknown_outcome_holds_no_campaign_up_and_is_settled_once(
    stack: Stack, shop: Number, germans: Callable[[int], list[str]]
) -> None:
    who = germans(20)
    stack.box("POST", "/faults", {"kind": "accept_then_reset", "count": 3, "phone_number_id": shop.id})
    campaign_id = launched(shop, who)
    becomes(stack, campaign_id, "completed", 60)
    until(lambda: read(stack, campaign_id)["counts"]["delivered"] == 20, "all are delivered", 60)
    assert {each: arrived(shop)[each] for each in who} == dict.fromkeys(who, 1)


def test_a_budget_stops_a_campaign_in_time(stack: Stack, shop: Number, germans: Callable[[int], list[str]]) -> None:
    who = germans(30)
    campaign_id = launched(shop, who, budget=12)
    row = becomes(stack, campaign_id, "paused")
    assert row["pause_reason"] == "budget_used_up"
    until(lambda: sum(arrived(shop)[each] for each in who) == 12, "twelve are written to")
    assert read(stack, campaign_id)["counts"]["pending"] == 18


def test_a_campaign_starts_at_its_time(stack: Stack, shop: Number, germans: Callable[[int], list[str]]) -> None:
    who = germans(3)
    campaign_id = draft(shop, who)
    refused(does(stack, campaign_id, "launch", scheduled_at="2026-11-23T09:30:00"), 422, param="scheduled_at")
    answer = does(stack, campaign_id, "launch", scheduled_at="2099-01-01T00:00:00Z")
    assert (answer.status_code, answer.json()["status"]) == (202, "scheduled")
    refused(does(stack, campaign_id, "launch"), 409, "wrong_state")
    assert does(stack, campaign_id, "pause").status_code == 202
    assert does(stack, campaign_id, "resume").json()["status"] == "scheduled"
    soon = draft(shop, who)
    moment = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    assert does(stack, soon, "launch", scheduled_at=moment).json()["status"] == "scheduled"
    assert becomes(stack, soon, "completed")["launched_at"] >= moment[:19]
    until(lambda: all(arrived(shop)[each] == 1 for each in who), "they are written to at the time")
    assert does(stack, campaign_id, "cancel").status_code == 202
    assert all(arrived(shop)[each] == 1 for each in who)


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"template": "no_such"}, "template_not_found", "template"),
        ({"template": "UPPER"}, None, "template"),
        ({"phone_number_id": "404"}, "number_not_found", "phone_number_id"),
        ({"name": ""}, None, "name"),
        ({"name": "   "}, None, "name"),
        ({"name": "a\u202eb"}, None, "name"),
        ({"ttl": True}, None, "ttl"),
        ({"hold_out": "5"}, None, "hold_out"),
        ({"language": "de"}, "template_not_found", "template"),
        ({"colour": "red"}, None, "colour"),
        ({"components": [{"type": "body", "parameters": []}], "template": "sale"}, "template_parameters", None),
    ],
)
def test_a_wrong_campaign_is_refused_by_its_field(
    stack: Stack, shop: Number, changes: dict[str, Any], code: str | None, param: str | None
) -> None:
    body = {"name": "a", "template": "notice", "phone_number_id": shop.id} | changes
    refused(stack.call("POST", "/campaigns", body), 404 if code == "number_not_found" else 422, code, param)


def test_a_draft_is_changed_and_a_launched_one_is_not(
    stack: Stack, shop: Number, germans: Callable[[int], list[str]]
) -> None:
    campaign_id = draft(shop, germans(2))
    path = f"/campaigns/{campaign_id}"
    assert stack.call("PATCH", path, {"name": "b", "ttl": 600}).json()["name"] == "b"
    refused(stack.call("PATCH", path, {}), 422, "missing_field")
    refused(stack.call("PATCH", path, {"name": None}), 422, None, "name")
    refused(stack.call("PATCH", path, {"components": None}), 422, None, "components")
    refused(does(stack, draft(shop, []), "launch"), 422, "no_recipients")
    assert does(stack, campaign_id, "launch").status_code == 202
    refused(stack.call("PATCH", path, {"name": "c"}), 409, "wrong_state")
    refused(does(stack, campaign_id, "recipients", recipients=[{"to": "+4915112345678"}]), 409, "wrong_state")
    assert campaign_id in {row["id"] for row in all_rows(stack, "/campaigns")}
    becomes(stack, campaign_id, "completed")
