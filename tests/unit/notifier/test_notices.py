"""What customers are told of each event of ours: every example of every topic that the notifier reads."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from libs.directory.reach import ALL_ACCOUNTS, EVERYTHING
from libs.events.examples import Example, read_examples
from libs.kafka.events import read_event
from libs.kafka.record import Record
from services.notifier.app import TOPICS
from services.notifier.event_types import NAMES
from services.notifier.handlers import MODELS
from services.notifier.notices import Notice, disabled_notice, notice_of
from services.notifier.subscriptions import Subscription

EXAMPLES = [each for each in read_examples() if each.topic in TOPICS]
NOW = datetime(2026, 11, 25, tzinfo=UTC)


def noticed(example: Example) -> Notice | None:
    record = Record(example.topic, 0, 0, example.key, example.value, tuple(example.envelope.headers()), 0)
    return notice_of(*read_event(record, *MODELS))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"{example.topic}/{example.situation}")
def test_every_example_is_told_in_one_shape_or_not_at_all(example: Example) -> None:
    notice = noticed(example)
    if notice is None:
        assert example.situation == "key_revoked"
        return
    said = json.loads(notice.body())
    assert set(said) == {"id", "type", "timestamp", "data"}
    assert said["type"] in NAMES
    assert said["id"] != example.envelope.id, "what customers see is no id of ours"
    assert said["timestamp"].endswith("Z")
    assert noticed(example) == notice, "a repeat is the same"
    assert not {"key_id", "correlation_id", "attempt"} & set(said["data"])


def test_a_key_that_changes_is_nothing_for_customers() -> None:
    [example] = [each for each in EXAMPLES if each.situation == "key_revoked"]
    assert noticed(example) is None


def subscription(*events: str, numbers: frozenset[str] = frozenset()) -> Subscription:
    return Subscription("one", events, numbers, True, NOW - timedelta(days=1))


def test_a_filter_of_numbers_lets_pass_what_is_about_no_single_one() -> None:
    def about(number: str | None) -> Notice:
        return Notice("id", "account.changed", "tenant", NOW, {}, number)

    listening = subscription("*", numbers=frozenset({"7"}))
    assert [listening.wants(about(number), EVERYTHING) for number in ("7", "8", None)] == [True, False, True]
    assert all(subscription("*").wants(about(number), EVERYTHING) for number in ("7", "8", None))


def test_a_disabled_endpoint_of_a_live_key_is_not_told_to_one_of_a_test_key() -> None:
    ours = replace(subscription("*"), made_by_test_key=True)
    row = {"_id": "e", "tenant": "tenant", "url": "https://x"}
    told = [
        ours.wants(disabled_notice(row | {"mode": mode}, "failing", NOW, NOW), ALL_ACCOUNTS)
        for mode in ("live", "test")
    ]
    assert told == [False, True]
