"""Which records a lane consumer buries, with what story, and how they come back, on the real broker."""

from collections.abc import Sequence

from libs.events.topics import dead_letter_topic
from libs.kafka.bus import Bus, Outgoing
from libs.kafka.ceiling import Ceiling
from libs.kafka.dead_letter_reader import DeadLetter, DeadLetterReader, Span
from libs.kafka.dead_letters import DeadLetterPolicy
from libs.kafka.errors import Poison, Reason
from libs.kafka.record import Record
from tests.integration.kafka.conftest import GROUP, Consume, MakeTopics, buried
from tests.support.waiting import eventually


async def test_a_raising_handler_gets_its_tries_and_then_the_record_is_buried_with_its_story(
    bus: Bus, make_topics: MakeTopics, consume: Consume
) -> None:
    [topic] = await make_topics()
    seen: list[bytes | None] = []
    failed: list[Record] = []

    async def handle(record: Record) -> None:
        seen.append(record.value)
        if record.value == b"bad":
            raise ValueError("secret text 4915112345678")

    async def mark_failed(record: Record) -> None:
        failed.append(record)

    policy = DeadLetterPolicy(service="sender", first_wait=0.01, on_dead_letter=mark_failed)
    consumer = await consume([topic], handle, dead_letters=policy)
    headers = [("ce_type", b"MessageDue.v1"), ("odd", b"\xff"), ("empty", None)]
    await bus.publish_many([Outgoing(topic, b"k", b"bad", headers), Outgoing(topic, b"k", b"good")])
    await eventually(lambda: b"good" in seen, "the record behind")
    assert seen == [b"bad"] * 5 + [b"good"]
    [letter] = await buried(bus, topic)
    assert letter.record.key == b"k"
    assert letter.record.headers[:3] == tuple(headers)
    assert (letter.reason, letter.attempts, letter.service, letter.schema) == (
        "handler_failed", 5, "sender", "MessageDue.v1",
    )  # fmt: skip
    assert (letter.topic, letter.offset, letter.group) == (topic, 0, GROUP)
    assert letter.error.startswith("ValueError at ")
    assert "secret" not in letter.error
    assert [record.offset for record in failed] == [0]
    await eventually(lambda: not any(consumer.lag().values()), "everything is finished")


async def test_poison_is_buried_at_once_and_comes_back_byte_for_byte_when_replayed(
    bus: Bus, make_topics: MakeTopics, consume: Consume
) -> None:
    [topic] = await make_topics()
    seen: list[Record] = []
    fixed = False

    async def handle(record: Record) -> None:
        seen.append(record)
        if not fixed:
            raise Poison(Reason.UNREADABLE, "field to: +4915112345678 is not a contact")

    await consume([topic], handle)
    headers = [("ce_id", b"1"), ("empty", None)]
    await bus.publish(topic, key=b"k", value=b"\x00\xff", headers=headers)
    [letter] = await eventually(lambda: buried(bus, topic), "the dead letter")
    assert (letter.reason, letter.attempts, letter.error) == ("unreadable", 1, "field to: […] is not a contact")
    async with DeadLetterReader(bus) as reader:
        dead_topic = dead_letter_topic(topic, GROUP)
        assert dead_topic in await reader.topics()
        assert await reader.show(dead_topic, 0, letter.record.offset) == letter
        assert await reader.show(dead_topic, 0, 99) is None
        assert await reader.show(dead_topic, 7, 0) is None
    fixed = True
    await bus.publish_many([letter.put_back()])
    await eventually(lambda: len(seen) == 2, "the replayed record")
    again = ("dlt_replays", b"1")
    assert (seen[1].key, seen[1].value, seen[1].headers) == (b"k", b"\x00\xff", (*headers, again))


async def test_too_many_dead_letters_stop_the_consumer_and_leave_the_rest_where_it_is(
    bus: Bus, make_topics: MakeTopics, consume: Consume
) -> None:
    [topic] = await make_topics(partitions=1)

    async def broken(_: Record) -> None:
        raise Poison(Reason.REFUSED, "a bad deploy")

    policy = DeadLetterPolicy(service="test", ceiling=Ceiling(share=0.5, from_count=3, per_minute=100))
    consumer = await consume([topic], broken, dead_letters=policy)
    assert await consumer.healthy()
    await bus.publish_many([Outgoing(topic, b"k", b"%d" % number) for number in range(20)])
    await eventually(lambda: consumer.halted, "the halt")
    assert not await consumer.healthy()
    await consumer.stop()
    assert len(await buried(bus, topic)) == 3
    seen: list[bytes | None] = []

    async def mended(record: Record) -> None:
        seen.append(record.value)

    await consume([topic], mended)
    await eventually(lambda: len(seen) == 17, "what the bad deploy left")
    assert seen == [b"%d" % number for number in range(3, 20)]


async def test_a_page_of_chosen_letters_goes_back_as_far_as_it_must(bus: Bus, make_topics: MakeTopics) -> None:
    topics = [dead_letter_topic(topic, GROUP) for topic in await make_topics(count=2)]
    for number in range(12):  # one by one: each has a time of its own, or the same as its neighbour
        whose = b"rare" if number % 6 == 0 else b"frequent"
        headers = [("ce_tenant", whose), ("dlt_topic", b"x")]
        await bus.publish(topics[number % 2], key=None, value=b"%d" % number, headers=headers)
    async with DeadLetterReader(bus, chunk=2) as reader:

        def numbers(letters: Sequence[DeadLetter]) -> list[int]:
            assert all(letter.record.value is None for letter in letters)
            return [letter.record.offset * 2 + topics.index(letter.record.topic) for letter in letters]

        rare = await reader.page(topics, 5, lambda letter: letter.tenant == "rare", Span())
        assert numbers(rare) == [6, 0]
        first = await reader.page(topics, 3, lambda letter: letter.tenant == "frequent", Span())
        rest = await reader.page(topics, 20, lambda letter: letter.tenant == "frequent", Span(), first[-1])
        assert sorted(numbers([*first, *rest]), reverse=True) == [11, 10, 9, 8, 7, 5, 4, 3, 2, 1]
        assert len(first) == 3
        assert await reader.page([], 5, lambda _: True, Span()) == []
