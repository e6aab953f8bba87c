"""What is pressed at the same moment, or in an order that nobody expects: nobody is written to who should not be."""

from collections import Counter
from collections.abc import Callable

import pytest

from tests.support.campaigns import STORED, arrived, becomes, does, draft, launched, read
from tests.support.running import Number, Stack, parallel_calls, until
from tests.support.shared_stack import install, refused


@pytest.fixture
def slow(stack: Stack) -> Number:
    """A slow number of its own."""
    made = stack.connect(throughput=20, messaging_limit="UNLIMITED")
    install(stack, made, *STORED)
    return made


def test_a_canceled_campaign_is_not_deleted_before_all_is_taken_back(
    stack: Stack, slow: Number, germans: Callable[[int], list[str]]
) -> None:
    campaign_id = launched(slow, germans(400))
    until(lambda: sum(arrived(slow).values()) >= 5, "some are sent, and many are queued")
    assert does(stack, campaign_id, "cancel").status_code == 202
    path = f"/campaigns/{campaign_id}"
    first = stack.call("DELETE", path)
    if first.status_code != 204:
        refused(first, 409, "still_at_work")
    until(lambda: stack.call("DELETE", path).status_code in (204, 404), "it can be deleted")
    sent = sum(arrived(slow).values())
    other = launched(slow, germans(5))  # what were left in the queue would go before these
    becomes(stack, other, "completed")
    until(lambda: sum(arrived(slow).values()) >= sent + 5, "the others are written to")
    assert sum(arrived(slow).values()) <= sent + 5 + 2  # two may have been on their way


def test_a_retry_where_nobody_failed_starts_nothing(
    stack: Stack, slow: Number, germans: Callable[[int], list[str]]
) -> None:
    campaign_id = draft(slow, germans(3))
    assert does(stack, campaign_id, "launch", scheduled_at="2099-01-01T00:00:00Z").status_code == 202
    assert does(stack, campaign_id, "pause").status_code == 202
    refused(does(stack, campaign_id, "retry"), 409, "nothing_to_retry")
    assert does(stack, campaign_id, "resume").json()["status"] == "scheduled"
    assert not arrived(slow)


def test_of_many_retries_one_moves_people_and_the_others_nobody(
    stack: Stack, slow: Number, germans: Callable[[int], list[str]]
) -> None:
    who = germans(12)
    for each in who:
        stack.box("POST", "/blocks", {"phone_number_id": slow.id, "from": each})
    campaign_id = launched(slow, who, budget=24)
    becomes(stack, campaign_id, "completed")
    until(lambda: read(stack, campaign_id)["counts"]["failed"] == 12, "all have failed")
    answers = parallel_calls(6, lambda: does(stack, campaign_id, "retry"))
    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 5
    assert [answer.json()["retried"] for answer in answers if answer.status_code == 202] == [12]
    until(lambda: read(stack, campaign_id)["counts"]["failed"] == 12, "all have failed again", 60)
    becomes(stack, campaign_id, "completed")
    assert arrived(slow) == Counter(who + who)
    assert does(stack, campaign_id, "retry").json()["retried"] == 12
    assert becomes(stack, campaign_id, "paused")["pause_reason"] == "budget_used_up"  # 24 messages, not 24 people
    assert arrived(slow) == Counter(who + who)
