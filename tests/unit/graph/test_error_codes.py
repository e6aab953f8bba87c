"""Every code of Meta's reference: its class, what becomes of the message, what a caller of ours is answered."""

import pytest

from libs.events.messages import MessageStatus
from libs.graph.errors import TABLE, GraphError, GraphRefused, GraphUnavailable, Policy, verdict_of_status
from libs.graph.refusals import answer_for
from libs.graph.send import Refused
from services.sandbox.errors import CATALOGUE
from services.sender.decisions import TRANSIENT_TRIES, Decision, decide
from tests.support.meta_errors import ELSEWHERE, FAILED, MESSAGING, NEWS, RETRIED, STOPPED, Row

POLICIES = {
    "backoff": {Policy.TRANSIENT, Policy.ACCOUNT},
    "bucket": {Policy.THROTTLE, Policy.PAIR, Policy.TRANSIENT},
    "recipient": {Policy.RECIPIENT},
    "account": {Policy.ACCOUNT},
    "config": {Policy.CALLER, Policy.TEMPLATE, Policy.ACCOUNT},
}
ROWS = [*MESSAGING, *ELSEWHERE]


def error_of(row: Row) -> GraphError:
    return GraphError(row.code, "title", subcode=row.subcode, http_status=row.http)


def decided(row: Row, attempt: int = 1) -> Decision:
    return decide(Refused(error_of(row)), attempt, stopped_wait=60.0)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.code}-{row.subcode or ''}")
def test_a_code_has_its_class_its_end_and_its_answer(row: Row) -> None:
    verdict = error_of(row).verdict
    assert verdict.code == row.ours
    assert verdict.policy in POLICIES[row.sort]
    decision = decided(row)
    queued = decision.status is MessageStatus.QUEUED
    assert (queued, decision.stop is not None) == {
        RETRIED: (True, False), STOPPED: (True, True), FAILED: (False, False)}[row.end]  # fmt: skip
    if row.end == FAILED:
        assert decision.error is not None
        assert (decision.error.code, decision.error.retryable) == (row.ours, False)
        assert decision.error.meta is not None
        assert decision.error.meta.code == row.code
    answer = answer_for(GraphRefused(error_of(row)), "do it")
    assert (answer.status, answer.public_code) == answered(row, verdict.policy)
    assert answer.retryable == (answer.status in (429, 502))
    assert answer.meta is not None
    assert answer.meta["code"] == row.code


@pytest.mark.parametrize("row", [row for row in ROWS if row.sort == "backoff" and row.end == RETRIED], ids=str)
def test_metas_own_trouble_is_tried_a_bounded_number_of_times(row: Row) -> None:
    last = decided(row, TRANSIENT_TRIES)
    assert last.status is MessageStatus.FAILED
    assert last.error is not None
    assert last.error.retryable


def test_the_table_holds_no_code_that_the_reference_does_not_know() -> None:
    assert set(TABLE) <= {row.code for row in ROWS} | NEWS


@pytest.mark.parametrize("row", MESSAGING, ids=lambda row: f"{row.code}-{row.subcode or ''}")
def test_the_sandbox_answers_with_metas_status(row: Row) -> None:
    assert CATALOGUE[row.code][1] == row.http


@pytest.mark.parametrize("code", [*sorted(NEWS), 999_999])
def test_a_code_that_comes_only_in_webhooks_ends_this_message_only(code: int) -> None:
    assert verdict_of_status(code).policy is Policy.RECIPIENT


def test_an_unknown_code_goes_by_its_status() -> None:
    def policy(**more: object) -> Policy:
        return GraphError(999_999, "title", **more).verdict.policy  # type: ignore[arg-type]

    assert policy(http_status=500) is Policy.TRANSIENT
    assert policy(transient=True) is Policy.TRANSIENT
    assert policy(http_status=429) is Policy.THROTTLE
    assert policy(http_status=400) is Policy.CALLER


def answered(row: Row, policy: Policy) -> tuple[int, str]:
    """Return the status and code that a synchronous call of ours answers."""
    if policy in (Policy.THROTTLE, Policy.PAIR):
        return 429, row.ours
    if policy is Policy.TRANSIENT:
        return 502, "meta_failed"
    return (409, row.ours) if policy is Policy.ACCOUNT else (422, "meta_refused")


def test_meta_that_is_away_or_slow_is_told_apart() -> None:
    answers = [answer_for(GraphUnavailable("x", slow=slow), "do it").status for slow in (False, True)]
    assert answers == [502, 504]
