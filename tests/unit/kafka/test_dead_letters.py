from datetime import UTC, datetime

import pytest

from libs.kafka.dead_letter_reader import DeadLetter
from libs.kafka.dead_letters import ERROR_BYTES, Burial, DeadLetterPolicy, Story, described, redacted
from libs.kafka.errors import BusUnavailable, Poison, Reason
from libs.kafka.record import Record
from libs.runtime.errors import Outage
from tests.unit.kafka.fakes import TOPIC, FakePublisher, record

SEEN = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


def story(error: Exception = ValueError("x"), attempts: int = 5) -> Story:  # noqa: B008 - an exception is as good as a constant
    return Story.of(error, attempts, SEEN)


async def test_a_dead_letter_is_the_record_untouched_with_its_story() -> None:
    publisher = FakePublisher()
    headers = (("ce_type", b"MessageStatusChanged.v1"), ("odd", b"\xff"), ("none", None))
    source = record(offset=41, partition=3, value=None, headers=headers)
    await Burial(publisher, "tracker", DeadLetterPolicy(service="tracker")).bury(source, story())
    [(topic, key, value, written)] = publisher.published
    assert (topic, key, value) == (f"{TOPIC}.tracker.dlt", b"k", None)
    assert tuple(written[:3]) == headers
    letter = DeadLetter.read(Record(topic, 0, 7, key, value, tuple(written), 0))
    assert (letter.topic, letter.partition, letter.offset, letter.attempts) == (TOPIC, 3, 41, 5)
    assert (letter.service, letter.group, letter.schema) == ("tracker", "tracker", "MessageStatusChanged.v1")
    assert (letter.reason, letter.first_seen) == ("handler_failed", "2026-11-23T09:30:00.000Z")
    original = letter.original()
    assert (original.topic, original.key, original.value, original.headers) == (TOPIC, b"k", None, headers)


async def test_the_hook_runs_after_the_write_and_only_an_outage_in_it_counts() -> None:
    publisher, hooked = FakePublisher(), list[int]()
    trouble: list[Exception | None] = [Outage("away"), ValueError("bug"), None]

    async def hook(_: Record) -> None:
        hooked.append(len(publisher.published))
        if (error := trouble.pop(0)) is not None:
            raise error

    burial = Burial(publisher, "g", DeadLetterPolicy(service="s", on_dead_letter=hook))
    with pytest.raises(Outage):
        await burial.bury(record(), story())
    await burial.bury(record(), story())
    await burial.bury(record(), story())
    assert hooked == [1, 2, 3]
    publisher.away = 1
    with pytest.raises(BusUnavailable):
        await burial.bury(record(), story())
    assert hooked == [1, 2, 3]


def test_phone_numbers_and_tokens_do_not_get_into_the_error() -> None:
    told = redacted(
        "to: +49 151 12345678 with EAAGm0PX4ZCpsBAKZCx0abcdefghij1234567890 of cm_live_0123456789abcdef0123456789"
    )
    assert told == "to: […] with […] of […]"
    assert (
        redacted("entry.0.changes.value.metadata: field required") == "entry.0.changes.value.metadata: field required"
    )
    assert len(redacted("wörter " * 1000).encode()) <= ERROR_BYTES


def test_an_exception_is_told_by_type_and_place_never_by_its_text() -> None:
    try:
        raise KeyError("+4915112345678")
    except KeyError as error:
        told = described(error)
    assert told.startswith("KeyError at ")
    assert "test_dead_letters.py" in told
    assert "15112345678" not in told


def test_poison_says_its_own_reason_and_words() -> None:
    told = story(Poison("unknown_type", "type Future.v7 is not known"), 1)
    assert (told.reason, told.error) == (Reason.UNKNOWN_TYPE, "type Future.v7 is not known")


def test_a_dead_letter_with_a_broken_story_can_still_be_read() -> None:
    letter = DeadLetter.read(record(headers=(("dlt_offset", b"x"), ("dlt_reason", b"\xff"))))
    assert (letter.offset, letter.reason, letter.topic) == (-1, "", "")
