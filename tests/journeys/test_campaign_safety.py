"""What keeps a campaign from doing harm: it pauses itself, waits for its portfolio, and leaves room to others."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.support.campaigns import STORED, arrived, becomes, does, draft, launched, read
from tests.support.running import Number, Stack, until
from tests.support.shared_stack import greet, install, refused

SLOW = 20  # messages a second: slow enough to be in the middle of it


@pytest.fixture
def slow(stack: Stack) -> Number:
    """A slow number of its own."""
    made = stack.connect(throughput=SLOW, messaging_limit="UNLIMITED")
    install(stack, made, *STORED)
    return made


def review(stack: Stack, number: Number, action: str) -> None:
    """Have Meta's reviewer act on the number's notice."""
    there = next(
        row for row in stack.box("GET", "/templates")["data"]
        if row["name"] == "notice" and row["waba_id"] == number.waba_id
    )  # fmt: skip
    stack.box("POST", f"/templates/{there['id']}/review", {"action": action})


def test_a_campaign_that_may_goes_on_by_itself_when_its_template_is_back(
    stack: Stack, slow: Number, germans: Callable[[int], list[str]]
) -> None:
    who = germans(150)
    campaign_id = launched(slow, who, auto_resume=True)
    review(stack, slow, "pause")
    assert becomes(stack, campaign_id, "paused", 20)["pause_reason"] == "template_not_approved"
    review(stack, slow, "unpause")
    becomes(stack, campaign_id, "completed", 60)
    counts = read(stack, campaign_id)["counts"]  # what was on its way in the moment of the pause was refused by Meta
    until(lambda: sum(arrived(slow).values()) >= 150 - counts["failed"], "everybody else is written to", 60)
    assert counts["failed"] < 50
    assert set(arrived(slow).values()) == {1}


def test_what_a_person_paused_does_not_go_on_by_itself(
    stack: Stack, slow: Number, germans: Callable[[int], list[str]]
) -> None:
    campaign_id = launched(slow, germans(300), auto_resume=True)
    assert does(stack, campaign_id, "pause").status_code == 202
    until(lambda: read(stack, campaign_id)["counts"]["queued"] == 0, "all is taken back")
    other = launched(slow, germans(5))
    becomes(stack, other, "completed")
    assert read(stack, campaign_id)["status"] == "paused"


def test_too_many_opt_outs_pause_a_campaign(stack: Stack, slow: Number, germans: Callable[[int], list[str]]) -> None:
    who = germans(400)
    campaign_id = launched(slow, who, protection={"opted_out_share": 0.01, "least": 3})
    first = until(lambda: list(arrived(slow)) if len(arrived(slow)) >= 10 else None, "some are written to")
    for each in first[:4]:
        greet(slow, each, "STOP")
    row = becomes(stack, campaign_id, "paused")
    assert row["pause_reason"] == "too_many_opted_out"
    assert row["protection"] == {"failed_share": 0.3, "opted_out_share": 0.01, "least": 3}


def test_too_many_failures_pause_a_campaign_where_it_was_told_to(
    stack: Stack, slow: Number, germans: Callable[[int], list[str]]
) -> None:
    who = germans(300)
    for each in who[::10]:
        stack.box("POST", "/blocks", {"phone_number_id": slow.id, "from": each})
    campaign_id = launched(slow, who, protection={"failed_share": 0.01, "least": 8})
    assert becomes(stack, campaign_id, "paused")["pause_reason"] == "too_many_failed"
    assert does(stack, campaign_id, "resume").status_code == 202
    # Who resumes it has judged those: only new ones pause it again.
    assert becomes(stack, campaign_id, "paused")["pause_reason"] == "too_many_failed"
    assert read(stack, campaign_id)["counts"]["failed"] >= 16


def test_what_paused_itself_can_be_paused_by_a_person_for_good(
    stack: Stack, slow: Number, germans: Callable[[int], list[str]]
) -> None:
    campaign_id = launched(slow, germans(100), auto_resume=True)
    review(stack, slow, "pause")
    becomes(stack, campaign_id, "paused", 20)
    assert does(stack, campaign_id, "pause").json()["pause_reason"] == "asked"
    review(stack, slow, "unpause")
    again = {"name": "a", "template": "notice", "phone_number_id": slow.id}
    until(lambda: stack.call("POST", "/campaigns", again).status_code == 201, "the template is back")
    becomes(stack, launched(slow, germans(3)), "completed", 60)
    assert read(stack, campaign_id)["status"] == "paused"


def test_a_number_whose_quality_turned_red_pauses_its_campaigns(
    stack: Stack, slow: Number, germans: Callable[[int], list[str]]
) -> None:
    campaign_id = launched(slow, germans(400))
    stack.box("POST", f"/accounts/{slow.waba_id}/events", {"event": "QUALITY", "quality": "RED"})
    assert becomes(stack, campaign_id, "paused")["pause_reason"] == "quality_red"


def test_a_campaign_only_to_who_agreed_skips_the_others(
    stack: Stack, slow: Number, germans: Callable[[int], list[str]]
) -> None:
    ann, bob, carl = germans(3)
    greet(slow, ann, "hello")
    campaign_id = draft(slow, [ann, bob, carl], require_consent=True)
    plan = does(stack, campaign_id, "launch", dry_run=True).json()
    assert (plan["eligible"], plan["no_consent"]) == (1, 2)
    assert does(stack, campaign_id, "launch").status_code == 202
    assert becomes(stack, campaign_id, "completed")["counts"]["skipped"] == 2
    until(lambda: arrived(slow)[ann] == 1, "who agreed is written to")
    assert not arrived(slow)[bob] + arrived(slow)[carl]


def test_a_campaign_over_its_portfolios_limit_waits_and_says_so(
    stack: Stack, germans: Callable[[int], list[str]]
) -> None:
    number = stack.connect(throughput=1000, messaging_limit="TIER_250")
    install(stack, number, *STORED)
    campaign_id = draft(number, germans(300))
    plan = does(stack, campaign_id, "launch", dry_run=True).json()
    assert plan["messaging_limit"] == {"people_per_day": 250, "used": 0, "days": 1}
    assert plan["seconds"] == 86_400
    assert does(stack, campaign_id, "launch").status_code == 202
    row = until(lambda: found if (found := read(stack, campaign_id))["waiting"] else None, "it waits")
    assert row["waiting"]["reason"] == "messaging_limit"
    assert row["waiting"]["until"] > row["launched_at"]
    until(lambda: len(arrived(number)) == 250, "as many as may be are written to")
    until(lambda: read(stack, campaign_id)["counts"]["queued"] == 0, "nobody waits in the ledger")
    assert read(stack, campaign_id)["counts"]["pending"] == 50


def test_two_campaigns_of_one_number_share_its_rate(
    stack: Stack, slow: Number, germans: Callable[[int], list[str]]
) -> None:
    early, late = germans(1000), germans(40)
    first = launched(slow, early)
    until(lambda: len(arrived(slow)) >= 20, "the first one is under way")
    second = launched(slow, late)
    becomes(stack, second, "completed", 60)
    assert read(stack, first)["counts"]["pending"] > 400, "the second one did not wait for the first one's end"
    assert does(stack, first, "cancel").status_code == 202


def test_a_used_up_budget_is_raised_by_resume(stack: Stack, slow: Number, germans: Callable[[int], list[str]]) -> None:
    who = germans(12)
    campaign_id = launched(slow, who, budget=4)
    assert becomes(stack, campaign_id, "paused")["pause_reason"] == "budget_used_up"
    refused(does(stack, campaign_id, "resume", budget=0), 422, None, "budget")
    assert does(stack, campaign_id, "resume", budget=20).status_code == 202
    becomes(stack, campaign_id, "completed")
    until(lambda: sum(arrived(slow).values()) >= 12, "everybody is written to")
    assert set(arrived(slow).values()) == {1}


def test_money_stops_a_campaign_before_it_is_exceeded(
    stack: Stack, slow: Number, germans: Callable[[int], list[str]]
) -> None:
    who = germans(10)
    price = 0.055  # of a utility message to Germany
    money = {"amount": f"{price * 4.5:.4f}", "currency": "USD"}
    campaign_id = draft(slow, who)
    refused(does(stack, campaign_id, "launch", max_cost=money | {"currency": "EUR"}), 422, None, "max_cost.currency")
    refused(does(stack, campaign_id, "launch", max_cost=money | {"amount": "-1"}), 422)
    assert does(stack, campaign_id, "launch", max_cost=money).status_code == 202
    assert becomes(stack, campaign_id, "paused")["pause_reason"] == "budget_used_up"
    until(lambda: sum(arrived(slow).values()) == 4, "four are written to")
    assert stack.call("GET", f"/campaigns/{campaign_id}/progress").json()["spent"] == "0.22"
    refused(does(stack, campaign_id, "resume", max_cost=money | {"currency": "EUR"}), 422, None, "max_cost")
    assert does(stack, campaign_id, "resume", max_cost=money | {"amount": "1"}).status_code == 202
    becomes(stack, campaign_id, "completed")
    until(lambda: sum(arrived(slow).values()) == 10, "everybody is written to")
    assert stack.call("GET", f"/campaigns/{campaign_id}/progress").json()["spent"] == "0.55"
    other = draft(slow, ["966512345678"], "sale")  # marketing to Saudi Arabia has no known price
    answer = does(stack, other, "launch", max_cost=money)
    refused(answer, 422, "price_unknown", "max_cost")


def clock(zone: str, **ahead: int) -> str:
    """Return what clocks of a zone show so much later."""
    return (datetime.now(ZoneInfo(zone)) + timedelta(**ahead)).strftime("%H:%M")


def test_nobody_is_written_to_in_their_quiet_hours_and_the_others_are(
    stack: Stack, slow: Number, germans: Callable[[int], list[str]]
) -> None:
    awake, asleep = germans(6), [f"9198765432{place:02d}" for place in range(6)]
    now_in_india = {"from": clock("Asia/Kolkata", minutes=-30), "to": clock("Asia/Kolkata", minutes=30)}
    campaign_id = launched(slow, awake + asleep, quiet_hours=now_in_india)
    until(lambda: len(arrived(slow)) == 6, "who is awake is written to")
    row = until(lambda: found if (found := read(stack, campaign_id))["waiting"] else None, "it waits for the others")
    assert row["waiting"]["reason"] == "quiet_hours"
    ends = datetime.fromisoformat(row["waiting"]["until"]).astimezone(ZoneInfo("Asia/Kolkata"))
    assert ends.strftime("%H:%M") == now_in_india["to"]
    assert (set(arrived(slow)), row["counts"]["pending"], row["status"]) == (set(awake), 6, "running")
    assert does(stack, campaign_id, "pause").status_code == 202
    until(lambda: read(stack, campaign_id)["counts"]["pending"] == 6, "they still wait")
    assert does(stack, campaign_id, "resume").status_code == 202
    row = until(lambda: found if (found := read(stack, campaign_id))["waiting"] else None, "it waits again")
    assert set(arrived(slow)) == set(awake)


def test_outside_its_send_window_a_campaign_waits(
    stack: Stack, slow: Number, germans: Callable[[int], list[str]]
) -> None:
    window = {"from": clock("Europe/Berlin", minutes=30), "to": clock("Europe/Berlin", minutes=60)}
    campaign_id = launched(slow, germans(5), send_window=window | {"time_zone": "Europe/Berlin"})
    row = until(lambda: found if (found := read(stack, campaign_id))["waiting"] else None, "it waits")
    assert (row["waiting"]["reason"], row["counts"]["pending"]) == ("send_window", 5)
    assert not arrived(slow)


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"quiet_hours": {"from": "25:00", "to": "08:00"}}, "quiet_hours.from"),
        ({"quiet_hours": {"from": "08:00", "to": "08:00"}}, "quiet_hours"),
        ({"send_window": {"from": "08:00", "to": "09:00", "time_zone": "Mars/Base"}}, "send_window.time_zone"),
        ({"send_window": {"from": "08:00", "to": "09:00", "time_zone": "UTC", "days": []}}, "send_window.days"),
        ({"send_window": {"from": "08:00", "to": "09:00", "time_zone": "UTC", "days": ["sun", "sun"]}},
         "send_window.days"),
        ({"protection": {"failed_share": 2}}, "protection.failed_share"),
        ({"rate_per_second": 0}, "rate_per_second"),
        ({"rate_per_second": 1e-320}, "rate_per_second"),
        ({"rate_per_second": "2"}, "rate_per_second"),
        ({"budget": 0}, "budget"),
        ({"budget": True}, "budget"),
        ({"budget": 2**63}, "budget"),
        ({"protection": {"least": 2**63}}, "protection.least"),
        ({"dry_run": 1}, "dry_run"),
        ({"dry_run": True, "max_cost": {"amount": "1", "currency": "EUR"}}, "max_cost.currency"),
        ({"max_cost": {"amount": "0.00", "currency": "USD"}}, "max_cost.amount"),
        ({"scheduled_at": 4102444800}, "scheduled_at"),
        ({"scheduled_at": "0001-01-01T00:00:00+14:00"}, "scheduled_at"),
        ({"scheduled_at": "9999-12-31T23:59:59-14:00"}, "scheduled_at"),
        ({"send_window": {"from": "08:00", "to": "09:00", "time_zone": "localtime"}}, "send_window.time_zone"),
    ],
)  # fmt: skip
def test_a_wrong_option_of_a_launch_is_refused_by_its_field(
    stack: Stack, slow: Number, germans: Callable[[int], list[str]], options: dict[str, Any], param: str
) -> None:
    refused(does(stack, draft(slow, germans(1)), "launch", **options), 422, None, param)
