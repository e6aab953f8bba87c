from datetime import UTC, datetime, timedelta

import pytest

from libs.events.messages import MessageStatus
from libs.graph.errors import GraphError
from libs.graph.send import Accepted, NotConnected, Refused, SendOutcome, Unknown, read_answer
from services.sender import decisions
from services.sender.decisions import TRANSIENT_TRIES, Decision, Doubt, Evidence, Stop, judge

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LEASE, WAIT, LIMIT = timedelta(seconds=40), timedelta(seconds=60), timedelta(minutes=15)


def decide(outcome: SendOutcome, attempt: int) -> Decision:
    return decisions.decide(outcome, attempt, stopped_wait=60.0)


def _refused(code: int, http_status: int = 400, subcode: int | None = None) -> Refused:
    return Refused(GraphError(code, "title", http_status=http_status, subcode=subcode))


def test_a_wamid_is_accepted_and_a_doubt_stays_a_doubt() -> None:
    assert decide(Accepted("wamid.x"), 1).status is MessageStatus.ACCEPTED
    assert decide(Unknown("timeout"), 1).status is MessageStatus.UNKNOWN


def test_only_what_was_never_connected_is_sent_again_without_asking() -> None:
    decision = decide(NotConnected(), 1)
    assert decision.status is MessageStatus.QUEUED
    assert decision.wait > 0


@pytest.mark.parametrize("code", [130429, 131056, 131016, 2, 133004])
def test_what_meta_asks_to_try_later_is_tried_later(code: int) -> None:
    assert decide(_refused(code), 1).status is MessageStatus.QUEUED


def test_metas_trouble_is_final_after_a_bounded_number_of_tries() -> None:
    assert decide(_refused(131000), TRANSIENT_TRIES).status is MessageStatus.FAILED


@pytest.mark.parametrize("code", [131026, 131047, 131050, 132000, 132001, 100, 131008, 131042, 999_999])
def test_what_can_never_succeed_fails_at_once_with_metas_own_code(code: int) -> None:
    decision = decide(_refused(code), 1)
    assert decision.status is MessageStatus.FAILED
    assert decision.error is not None
    assert decision.error.meta is not None
    assert decision.error.meta.code == code


@pytest.mark.parametrize(
    ("refused", "stop"),
    [
        (_refused(190, 401), Stop.ACCOUNT),
        (_refused(10, 403), Stop.ACCOUNT),
        (_refused(133010), Stop.NUMBER),
        (_refused(100, subcode=33), Stop.NUMBER),
    ],
)
def test_a_lost_token_or_number_stops_sending_and_keeps_the_message(refused: Refused, stop: Stop) -> None:
    decision = decide(refused, 1)
    assert (decision.status, decision.stop) == (MessageStatus.QUEUED, stop)


@pytest.mark.parametrize(
    ("status", "raw"),
    [
        (200, b""),
        (200, b"{}"),
        (200, b'{"messages":[]}'),
        (200, b"\xff"),
        (500, b"<html>"),
        (502, b""),
        (503, b'{"error":"x"}'),
    ],
)
def test_an_answer_that_is_not_graphs_is_unknown(status: int, raw: bytes) -> None:
    assert isinstance(read_answer(status, raw), Unknown)


def test_a_5xx_with_a_body_of_graphs_is_a_no() -> None:
    assert isinstance(read_answer(500, b'{"error":{"message":"x","code":131000}}'), Refused)


def _evidence(**changes: object) -> Evidence:
    usual: dict[str, object] = {
        "attempted_at": NOW - timedelta(seconds=120), "now": NOW, "applied_until": NOW, "heard_at": NOW,
        "open_until": NOW, "one_time_code": False, "at_most_once": False,
    }  # fmt: skip
    return Evidence(**(usual | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, (Doubt.RESEND, "")),
        ({"attempted_at": NOW - timedelta(seconds=99)}, (Doubt.WAIT, "")),
        ({"applied_until": NOW - timedelta(seconds=21)}, (Doubt.WAIT, "")),
        ({"applied_until": None}, (Doubt.WAIT, "")),
        ({"heard_at": None}, (Doubt.WAIT, "")),
        ({"heard_at": NOW - timedelta(seconds=121)}, (Doubt.WAIT, "")),
        ({"open_until": None}, (Doubt.WAIT, "")),
        ({"open_until": NOW - timedelta(seconds=21)}, (Doubt.WAIT, "")),
        ({"open_until": NOW - timedelta(seconds=20)}, (Doubt.RESEND, "")),
        ({"interrupted_until": NOW - timedelta(seconds=59)}, (Doubt.WAIT, "")),
        ({"interrupted_until": NOW - timedelta(seconds=60)}, (Doubt.RESEND, "")),
        ({"interrupted_until": NOW, "attempted_at": NOW - timedelta(minutes=16)}, (Doubt.KEEP, "no_webhooks")),
        ({"one_time_code": True}, (Doubt.KEEP, "one_time_code")),
        ({"at_most_once": True}, (Doubt.KEEP, "at_most_once")),
        ({"heard_at": None, "attempted_at": NOW - timedelta(minutes=15)}, (Doubt.KEEP, "no_webhooks")),
    ],
)
def test_an_unknown_message_is_sent_again_only_on_evidence(changes: dict[str, object], verdict: object) -> None:
    assert judge(_evidence(**changes), LEASE, WAIT, LIMIT) == verdict
