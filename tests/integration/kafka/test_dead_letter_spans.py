"""How much of a dead-letter topic is read for what was buried within a span of time, on the real broker."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]

from libs.events.topics import dead_letter_topic
from libs.kafka.bus import Bus
from libs.kafka.dead_letter_reader import DeadLetter, DeadLetterReader, Place, Span
from tests.integration.kafka.conftest import GROUP, MakeTopics

COUNT = 2_000  # letters, one a minute
BEGAN = datetime(2026, 11, 1, tzinfo=UTC)
ODD = 1_005  # a letter whose process had a clock that was four minutes behind
MINUTE = timedelta(minutes=1)


def buried_at(number: int) -> datetime:
    return BEGAN + number * MINUTE - (4 * MINUTE if number == ODD else timedelta())


def millisecond(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


@pytest.fixture
async def big(kafka_bootstrap: str, make_topics: MakeTopics) -> str:
    """A dead-letter topic in which a letter was buried each minute."""
    topic = dead_letter_topic((await make_topics())[0], GROUP)
    producer = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, linger_ms=20)
    await producer.start()
    try:
        sent = [
            await producer.send(topic, b"%d" % number, timestamp_ms=millisecond(buried_at(number)))
            for number in range(COUNT)
        ]
        await asyncio.gather(*sent)
    finally:
        await producer.stop()
    return topic


async def test_of_a_big_topic_only_the_span_is_walked_through(bus: Bus, big: str) -> None:
    span = Span(BEGAN + 995 * MINUTE, BEGAN + 1_003 * MINUTE)
    async with DeadLetterReader(bus) as reader:
        found = [letter async for letter in reader.walk([big], span)]
        assert reader.looked_at == len(found) <= 15  # and not 2,000
    assert span.since
    assert span.until
    inside = [
        int(letter.record.value or b"")
        for letter in found
        if millisecond(span.since) <= letter.record.timestamp < millisecond(span.until)
    ]
    assert inside == [*range(995, 1_003), ODD]  # the odd one as well, which lies behind younger ones


@pytest.mark.parametrize(
    ("span", "least", "most"),
    [
        (Span(), COUNT, COUNT),
        (Span(since=BEGAN + (COUNT - 3) * MINUTE), 3, 3),
        (Span(until=BEGAN + 2 * MINUTE), 2, 8),
        (Span(since=BEGAN + COUNT * MINUTE), 0, 0),
        (Span(until=datetime(1960, 1, 1, tzinfo=UTC)), 0, 0),
        (Span(datetime(1, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)), COUNT, COUNT),
    ],
    ids=["all", "the last", "the first", "after all", "before all", "from ever to ever"],
)
async def test_an_open_end_reads_on_and_a_closed_one_does_not(
    bus: Bus, big: str, span: Span, least: int, most: int
) -> None:
    async with DeadLetterReader(bus) as reader:
        found = [letter async for letter in reader.walk([big], span)]
        assert least <= reader.looked_at == len(found) <= most


async def test_a_walk_goes_on_behind_the_place_where_another_ended(bus: Bus, big: str) -> None:
    async with DeadLetterReader(bus) as reader:
        found = [letter.record.offset async for letter in reader.walk([big], Span(), Place(big, 0, COUNT - 3))]
        assert found == [COUNT - 2, COUNT - 1]
        assert [letter async for letter in reader.walk([big], Span(), Place(big, 0, COUNT))] == []
        assert [letter async for letter in reader.walk([big], Span(), Place(big + "x", 0, 0))] == []
        assert reader.looked_at == 2


async def test_a_page_reads_what_it_may_hold_and_no_more(bus: Bus, big: str) -> None:
    span = Span(BEGAN + 995 * MINUTE, BEGAN + 1_003 * MINUTE)

    def chosen(letter: DeadLetter) -> bool:
        return millisecond(BEGAN + 995 * MINUTE) <= letter.record.timestamp < millisecond(BEGAN + 1_003 * MINUTE)

    async with DeadLetterReader(bus, chunk=10) as reader:
        page = await reader.page([big], 4, chosen, span)
        assert [letter.record.offset for letter in page] == [1_002, ODD, 1_001, 1_000]
        rest = await reader.page([big], 100, chosen, span, page[-1])
        assert [letter.record.offset for letter in rest] == list(range(999, 994, -1))
        assert reader.looked_at <= 30
        await reader.page([big], 4, lambda _: True, Span(), page[-1])
        assert reader.looked_at <= 50  # what is newer than the last row is not read again
